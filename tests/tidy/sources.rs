//! The source files, as text.

use std::path::{Path, PathBuf};

/// One Rust file.
pub(crate) struct Source {
    /// Path from the top of the repository, with `/`.
    pub(crate) path: String,
    /// All of it.
    pub(crate) text: String,
}

impl Source {
    /// Whether the whole file is tests.
    pub(crate) fn is_test(&self) -> bool {
        self.path.contains("/tests/")
            || self.path.starts_with("tests/")
            || ["/tests.rs", "/testing.rs"]
                .iter()
                .any(|end| self.path.ends_with(end))
    }

    /// The code without comments and without the tests at its end.
    pub(crate) fn code(&self) -> String {
        if self.is_test() {
            return String::new();
        }
        let mut code = String::new();
        let mut lines = self.text.lines().peekable();
        while let Some(line) = lines.next() {
            let opens_tests = line == "#[cfg(test)]"
                && lines
                    .peek()
                    .is_some_and(|next| next.starts_with("mod tests"));
            if opens_tests {
                break;
            }
            if !line.trim_start().starts_with("//") {
                code.push_str(line);
                code.push('\n');
            }
        }
        code
    }
}

/// The top of the repository.
pub(crate) fn top() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// All Rust files under a folder, in order of their paths.
pub(crate) fn sources(folder: &str) -> Vec<Source> {
    files(folder, "rs")
        .into_iter()
        .map(|path| Source {
            text: read(&path),
            path,
        })
        .collect()
}

/// Paths under a folder with one of the endings, in order.
pub(crate) fn files(folder: &str, ending: &str) -> Vec<String> {
    let mut found = Vec::new();
    collect(&top().join(folder), ending, &mut found);
    found.sort();
    found
}

/// A file's text.
pub(crate) fn read(path: &str) -> String {
    let path = top().join(path);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn collect(folder: &Path, ending: &str, found: &mut Vec<String>) {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return;
    };
    for entry in entries {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, ending, found);
        } else if path.extension().is_some_and(|end| end == ending) {
            let path = path.strip_prefix(top()).unwrap();
            found.push(path.to_string_lossy().replace('\\', "/"));
        }
    }
}
