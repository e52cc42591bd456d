//! The weights that a promotion leaves, into the configuration.

use std::{collections::BTreeMap, fs, io::Write as _, os::unix::fs::PermissionsExt as _, path::Path};

use rollgate_config::{Format, scalar::Weight};

/// What has to be written, as YAML.
pub fn patch(service: &str, weights: &BTreeMap<String, Weight>) -> String {
    let bare = |name: &str| name.strip_suffix("@file").unwrap_or(name).to_owned();
    let mut text = format!("http:\n  services:\n    {}:\n      weighted:\n        services:\n", bare(service));
    for (name, weight) in weights {
        text.push_str(&format!("          - {{name: {}, weight: {weight}}}\n", bare(name)));
    }
    text
}

/// Writes the weights into a file; nothing but their digits changes. Returns what was done, in a sentence.
///
/// # Errors
/// In a sentence, with what has to be written. The file is as it was.
pub fn write(file: &Path, service: &str, weights: &BTreeMap<String, Weight>) -> Result<String, String> {
    let shown = file.display();
    let by_hand = |why: String| format!("{shown}: {why}; write this yourself:\n{}", patch(service, weights));
    let Some(format) = file.to_str().and_then(Format::of) else {
        return Err(by_hand("its name ends with none of .yml, .yaml, .toml, .json".to_owned()));
    };
    // What a link leads to is what is written.
    let target = fs::canonicalize(file).map_err(|error| by_hand(error.to_string()))?;
    let text = fs::read_to_string(&target).map_err(|error| by_hand(error.to_string()))?;
    let rewritten = rollgate_config::rewrite_weights(&text, format, service, weights).map_err(by_hand)?;
    if rewritten == text {
        return Ok(format!("{shown} says so already"));
    }
    replace(&target, &rewritten).map_err(|error| by_hand(error.to_string()))?;
    Ok(format!("written to {shown}"))
}

/// The file is there whole at any moment, and who may read it can still.
fn replace(target: &Path, text: &str) -> std::io::Result<()> {
    let mut name = target.as_os_str().to_owned();
    name.push(".rollgate-new");
    let beside = Path::new(&name);
    let mode = fs::metadata(target)?.permissions().mode();
    let mut file = fs::File::create(beside)?;
    file.set_permissions(fs::Permissions::from_mode(mode))?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    fs::rename(beside, target)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn weights() -> BTreeMap<String, Weight> {
        [("a@file", 0), ("b@file", 100)].map(|(name, weight)| (name.to_owned(), Weight(weight * 1_000_000))).into()
    }

    #[test]
    fn a_file_is_rewritten_in_place_and_behind_its_link() {
        let folder = tempfile::tempdir().unwrap();
        let (file, link) = (folder.path().join("real.yml"), folder.path().join("link.yml"));
        let text =
            "http: {services: {pro: {weighted: {services: [{name: a, weight: 9}, {name: b, weight: 1}]}}}} # x\n";
        fs::write(&file, text).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).unwrap();
        std::os::unix::fs::symlink("real.yml", &link).unwrap();
        assert!(write(&link, "pro@file", &weights()).unwrap().starts_with("written to "));
        assert_eq!(fs::read_to_string(&file).unwrap(), text.replace('9', "0").replace("weight: 1}", "weight: 100}"));
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o640);
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert!(write(&link, "pro@file", &weights()).unwrap().ends_with("says so already"));
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2, "nothing lies beside it");
    }

    #[test]
    fn what_cannot_be_rewritten_is_shown_to_be_written() {
        let refused = write(Path::new("/nowhere/a.yml"), "pro@file", &weights()).unwrap_err();
        assert!(refused.contains("write this yourself:\nhttp:\n  services:\n    pro:\n"), "{refused}");
        assert!(refused.contains("          - {name: b, weight: 100}\n"), "{refused}");
        assert!(write(Path::new("a.txt"), "pro@file", &weights()).unwrap_err().contains("ends with none of"));
    }
}
