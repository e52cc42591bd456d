use super::*;

fn text(name: &str, content: &str) -> Text {
    Text::parse(name, Ok(content.into()), name == "main.yml")
}

/// A folder with these files; each holds its own name.
fn folder(files: &[&str]) -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    for file in files {
        let path = root.path().join(file);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, format!("http: {{services: {{\"{file}\": {{loadBalancer: {{}}}}}}}}")).unwrap();
    }
    root
}

fn sources(root: &tempfile::TempDir) -> Sources {
    Sources { main: None, target: Some(FileTarget::Directory(root.path().to_owned())) }
}

fn names(root: &tempfile::TempDir, texts: &Texts) -> Vec<String> {
    let root = format!("{}/", root.path().display());
    texts.keys().map(|name| name.strip_prefix(&root).unwrap_or(name).to_owned()).collect()
}

#[test]
fn every_file_of_a_folder_and_those_below_is_read_but_for_hidden_ones() {
    let root = folder(&["a.yml", "b/c.toml", "b/d.txt", ".e.yml", "..data/f.yml", "g.JSON"]);
    let seen = sources(&root).look(&mut Reader::default(), &Texts::new());
    assert_eq!(names(&root, &seen.texts), ["a.yml", "b/c.toml", "g.JSON"]);
    assert_eq!((seen.folders.len(), seen.unreadable.len()), (2, 0));
}

#[test]
fn a_file_with_two_names_is_read_once() {
    let root = folder(&["a.yml"]);
    std::os::unix::fs::symlink("a.yml", root.path().join("b.yml")).unwrap();
    let sources = Sources { main: Some(root.path().join("a.yml")), ..sources(&root) };
    let seen = sources.look(&mut Reader::default(), &Texts::new());
    assert_eq!(names(&root, &seen.texts), ["a.yml"]);
    assert!(seen.texts.values().all(|text| text.is_main));
}

#[test]
fn what_has_not_changed_is_not_parsed_again() {
    let root = folder(&["a.yml", "b.yml"]);
    let (sources, mut reader) = (sources(&root), Reader::default());
    let first = sources.look(&mut reader, &Texts::new()).texts;
    std::fs::write(root.path().join("b.yml"), "{}").unwrap();
    let second = sources.look(&mut reader, &first).texts;
    let same: Vec<bool> = first.iter().map(|(name, text)| Arc::ptr_eq(text, &second[name])).collect();
    assert_eq!(same, [true, false]);
}

#[test]
fn nothing_is_known_of_what_is_in_a_folder_that_cannot_be_read() {
    let root = folder(&["a.yml", "b/c.yml"]);
    let sources = sources(&root);
    let before = sources.look(&mut Reader::default(), &Texts::new()).texts;
    std::fs::remove_dir_all(root.path()).unwrap();
    let mut seen = sources.look(&mut Reader::default(), &Texts::new());
    seen.assume(&before);
    assert_eq!(names(&root, &seen.texts)[1..], ["a.yml", "b/c.yml"]);
    let problems = documents(&seen.texts).unwrap_err();
    assert_eq!(problems.len(), 1);
    assert!(problems[0].what.starts_with("cannot read this folder: No such file"), "{}", problems[0]);
}

#[test]
fn many_folders_that_cannot_be_read_are_looked_for_in_a_moment() {
    let mut seen = Seen::default();
    seen.unreadable.extend((0..20_000).map(|number| (format!("conf/{number:06}").into(), "gone".to_owned())));
    let known = Arc::new(text("a.yml", "{}"));
    let before: Texts = (0..20_000).map(|number| (format!("conf/{number:06}/a.yml").into(), known.clone())).collect();
    let began = std::time::Instant::now();
    seen.assume(&before);
    assert_eq!(seen.texts.len(), before.len());
    // Each with each takes minutes.
    assert!(began.elapsed() < std::time::Duration::from_secs(10), "{:?}", began.elapsed());
}

#[test]
fn a_file_that_is_not_there_is_a_problem_of_its_own() {
    let sources = Sources { main: None, target: Some(FileTarget::File("/none/a.yml".into())) };
    let seen = sources.look(&mut Reader::default(), &Texts::new());
    let problems = documents(&seen.texts).unwrap_err();
    assert!(problems[0].to_string().starts_with("/none/a.yml: file: cannot read it: No such file"), "{}", problems[0]);
}

#[test]
fn only_the_main_file_may_hold_static_configuration() {
    assert!(text("main.yml", "log: {}").document.is_ok());
    let problems = text("other.yml", "log: {}").document.unwrap_err();
    assert_eq!(
        problems[0].to_string(),
        "other.yml:1:1: log: static configuration has no effect in a dynamic file (it belongs in the file that `run` is given)"
    );
    assert!(text("other.txt", "").document.is_err());
    let texts =
        [("main.yml", "log: {}"), ("a.yml", "{}")].map(|(name, content)| (name.into(), Arc::new(text(name, content))));
    let texts = Texts::from(texts);
    let sources: Vec<&str> = documents(&texts).unwrap()[0].1.iter().map(|document| document.source()).collect();
    assert_eq!(sources, ["a.yml"], "one without dynamic configuration holds none");
}

#[test]
fn a_name_is_found_by_its_absolute_path() {
    let sources = Sources { main: Some("rollgate.yml".into()), target: Some(FileTarget::Directory("conf".into())) };
    let here = std::env::current_dir().unwrap();
    let name = |path: &str| sources.name_of(&here.join(path)).map(|name| name.to_string());
    assert_eq!(name("rollgate.yml").as_deref(), Some("rollgate.yml"));
    assert_eq!(name("conf/below/a.yml").as_deref(), Some("conf/below/a.yml"));
    assert_eq!(name("other/a.yml"), None);
}

#[test]
fn no_file_has_the_name_of_what_was_sent() {
    let sources = Sources { main: None, target: Some(FileTarget::Directory("rest".into())) };
    let mut seen = sources.look(&mut Reader::default(), &Texts::new());
    assert_eq!(seen.texts.keys().map(|name| &**name).collect::<Vec<_>>(), ["./rest"], "a folder that is not there");
    seen.texts.clear();
    seen.texts.insert(REST.into(), Arc::new(Text::of_rest(None, r#"{"http": {}}"#)));
    seen.texts.insert("a.yml".into(), Arc::new(text("a.yml", "http: {}")));
    let [(file, files), (rest, sent)] = documents(&seen.texts).unwrap();
    assert_eq!((file, files[0].source(), rest, sent[0].source()), ("file", "a.yml", "rest", "rest"));
    let problem = |text: &str| Text::of_rest(None, text).document.unwrap_err()[0].to_string();
    assert!(problem("http: {}").starts_with("rest:1:1: "), "only JSON");
    assert_eq!(
        problem(r#"{"log": {}}"#),
        "rest:1:2: log: static configuration has no effect in a dynamic file (it belongs in the file that `run` is given)"
    );
}
