//! The house rules that no other tool checks: the length of files, the direction of dependencies, a pure `config`,
//! links in the documentation, what an example consists of.
//!
//! Each rule is a function from text to complaints; `check` reads the files and prints all of them.

mod rules;
#[cfg(test)]
mod tests;

use std::{
    fs,
    path::{Path, PathBuf},
};

use crate::{Outcome, workspace::Workspace};

/// Reads the whole repository and fails with every complaint there is.
pub fn check(workspace: &Workspace) -> Outcome {
    let mut files = Vec::new();
    collect(&workspace.root, &mut files)?;
    files.sort();
    let mut complaints = Vec::new();
    for file in &files {
        let name = file.strip_prefix(&workspace.root).unwrap_or(file);
        let name = name.to_string_lossy();
        match file.extension().and_then(|extension| extension.to_str()) {
            Some("rs") => complaints.extend(rules::rust(&name, &text_of(file)?)),
            Some("md") => {
                let folder = file.parent().unwrap_or(&workspace.root);
                complaints.extend(rules::markdown(&name, &text_of(file)?, |target| folder.join(target).exists()));
            }
            _ => {}
        }
    }
    complaints.extend(examples(&workspace.root.join("examples"))?);
    if complaints.is_empty() {
        return Ok(());
    }
    for complaint in &complaints {
        eprintln!("    {complaint}");
    }
    Err(format!("{} complaints", complaints.len()))
}

/// Every `.rs` and `.md` file below `folder`, but for what cargo makes and hidden folders.
fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> Outcome {
    for path in entries(folder)? {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if path.is_dir() {
            if !name.starts_with('.') && name != "target" {
                collect(&path, files)?;
            }
        } else if name.ends_with(".rs") || name.ends_with(".md") {
            files.push(path);
        }
    }
    Ok(())
}

/// An example is a folder with a README and one `rollgate.*` file.
fn examples(folder: &Path) -> Result<Vec<String>, String> {
    let mut complaints = Vec::new();
    for example in entries(folder)?.into_iter().filter(|path| path.is_dir()) {
        let name = example.file_name().unwrap_or_default().to_string_lossy();
        if !example.join("README.md").is_file() {
            complaints.push(format!("examples/{name}: README.md is missing"));
        }
        let configurations = ["yml", "toml", "json"]
            .iter()
            .filter(|extension| example.join(format!("rollgate.{extension}")).is_file())
            .count();
        if configurations != 1 {
            complaints
                .push(format!("examples/{name}: {configurations} files rollgate.yml, .toml or .json (exactly one)"));
        }
    }
    Ok(complaints)
}

fn entries(folder: &Path) -> Result<Vec<PathBuf>, String> {
    let listed =
        fs::read_dir(folder).and_then(|entries| entries.map(|entry| entry.map(|entry| entry.path())).collect());
    listed.map_err(|why| format!("{}: {why}", folder.display()))
}

fn text_of(file: &Path) -> Result<String, String> {
    fs::read_to_string(file).map_err(|why| format!("{}: {why}", file.display()))
}
