//! The repository's own files, for tests that read them.

use std::{fs, path::Path};

/// A file of the repository, and its path from the root.
pub(crate) struct Text {
    /// From the root, with `/`.
    pub(crate) path: String,
    pub(crate) text: String,
}

pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Every file's path from the root, but for what builds leave behind; in their order.
pub(crate) fn paths() -> Vec<String> {
    let mut found = Vec::new();
    let mut folders = vec![root().to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("a folder can be read").flatten() {
            let path = entry.path();
            let name = entry.file_name();
            if !path.is_dir() {
                let path = path.strip_prefix(root()).expect("it is below the root");
                found.push(path.to_string_lossy().into_owned());
            } else if name != "target" && name != ".git" {
                folders.push(path);
            }
        }
    }
    found.sort();
    found
}

/// Every file whose path ends like this; in the order of their paths.
pub(crate) fn files(endings: &[&str]) -> Vec<Text> {
    let mut paths = paths();
    paths.retain(|path| endings.iter().any(|ending| path.ends_with(ending)));
    assert!(!paths.is_empty(), "there are files that end in {endings:?}");
    let read = |path: String| {
        let text = fs::read_to_string(root().join(&path)).expect("a file of ours is text");
        Text { path, text }
    };
    paths.into_iter().map(read).collect()
}

impl Text {
    /// True for tests, benches and examples: they may do what the program may not.
    pub(crate) fn is_beside_the_program(&self) -> bool {
        let folders = ["tests", "benches", "examples"];
        self.path.split('/').any(|part| folders.contains(&part)) || self.path.ends_with("/tests.rs")
    }

    /// The lines of code with their numbers: no comments, and nothing after the file's own tests begin.
    pub(crate) fn code(&self) -> impl Iterator<Item = (usize, &str)> {
        let program = self.text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
        let lines = (1..).zip(program.lines());
        lines.map(|(number, line)| (number, line.split("//").next().unwrap_or_default()))
    }
}

/// The places in the program's code that hold one of the words, outside the files that may.
pub(crate) fn places(words: &[&str], may: impl Fn(&str) -> bool) -> Vec<String> {
    let sources = files(&[".rs"]);
    let of_program = sources.iter().filter(|file| !file.is_beside_the_program());
    let mut places = Vec::new();
    for file in of_program.filter(|file| !may(&file.path)) {
        let holding = file.code().filter(|(_, line)| words.iter().any(|word| line.contains(word)));
        places.extend(holding.map(|(at, line)| format!("{}:{at}: {}", file.path, line.trim())));
    }
    places
}

/// Fails with every place that breaks the rule.
pub(crate) fn nowhere(rule: &str, places: &[String]) {
    assert!(places.is_empty(), "{rule}:\n  {}", places.join("\n  "));
}
