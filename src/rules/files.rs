//! The files a rule book consists of: which ones, in which order, and how large at most.
//!
//! Only here do rules touch the disk; everything after works on texts.

use std::path::{Path, PathBuf};

use crate::rules::problem::{Problem, ProblemSeverity};

/// Largest rule file that is read.
pub(crate) const FILE_BYTES_MAX: u64 = 1 << 20;
/// Deepest nesting of folders: links may go in circles.
const FOLDER_DEPTH_MAX: usize = 8;

/// Reads the files of a book: one file, or every `*.yaml` and `*.yml` of a folder, sorted.
///
/// Folders named `tests` and `bench` are not part of a book, nor are hidden files. The texts are
/// what the journal stores, so that replay checks the same bytes again with [`super::parse`].
///
/// # Errors
/// Everything that cannot be read or is too large: the path, folders and files in it.
pub fn read_files(path: &Path) -> Result<Vec<(String, String)>, Vec<Problem>> {
    match read_readable(path) {
        (files, problems) if problems.is_empty() => Ok(files),
        (_, problems) => Err(problems),
    }
}

/// The files of a book that can be read, and why others cannot.
pub(crate) fn read_readable(path: &Path) -> (Vec<(String, String)>, Vec<Problem>) {
    let (mut paths, mut problems, mut files) = (Vec::new(), Vec::new(), Vec::new());
    match std::fs::metadata(path) {
        Ok(meta) if meta.is_dir() => {
            list_files(path, 0, &mut paths, &mut problems);
            if paths.is_empty() && problems.is_empty() {
                let message = "the folder holds no *.yaml or *.yml file";
                problems.push(about(path, message.to_owned()));
            }
        }
        Ok(_) => paths.push(path.to_owned()),
        Err(error) => problems.push(about(path, format!("cannot be read: {error}"))),
    }
    paths.sort();
    for path in paths {
        match read_file(&path) {
            Ok(text) => files.push((path.display().to_string(), text)),
            Err(problem) => problems.push(problem),
        }
    }
    (files, problems)
}

fn list_files(folder: &Path, depth: usize, paths: &mut Vec<PathBuf>, problems: &mut Vec<Problem>) {
    if depth > FOLDER_DEPTH_MAX {
        let message = format!("more than {FOLDER_DEPTH_MAX} folders deep");
        problems.push(about(folder, message));
        return;
    }
    let unreadable = |error: std::io::Error| about(folder, format!("cannot be read: {error}"));
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) => {
            problems.push(unreadable(error));
            return;
        }
    };
    for entry in entries {
        let path = match entry {
            Ok(entry) => entry.path(),
            Err(error) => {
                problems.push(unreadable(error));
                continue;
            }
        };
        let name = path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        if name.starts_with('.') {
            continue;
        }
        if path.is_dir() {
            if name != "tests" && name != "bench" {
                list_files(&path, depth + 1, paths, problems);
            }
        } else if path
            .extension()
            .is_some_and(|end| end == "yaml" || end == "yml")
        {
            paths.push(path);
        }
    }
}

fn read_file(path: &Path) -> Result<String, Problem> {
    use std::io::Read;
    let unreadable = |error: std::io::Error| about(path, format!("cannot be read: {error}"));
    let file = std::fs::File::open(path).map_err(unreadable)?;
    let mut bytes = Vec::new();
    // Bounded by reading, not by the size the file claims: it may be a pipe or still growing.
    file.take(FILE_BYTES_MAX + 1)
        .read_to_end(&mut bytes)
        .map_err(unreadable)?;
    if bytes.len() as u64 > FILE_BYTES_MAX {
        return Err(about(path, too_large()));
    }
    String::from_utf8(bytes).map_err(|_| about(path, "not UTF-8 text".to_owned()))
}

/// Why a file beyond the bound is refused.
pub(crate) fn too_large() -> String {
    format!("larger than {FILE_BYTES_MAX} bytes, the most a rule file may have")
}

fn about(path: &Path, message: String) -> Problem {
    Problem {
        file: path.display().to_string(),
        line: 0,
        column: 0,
        severity: ProblemSeverity::Error,
        message,
        hint: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_are_read_in_order_without_tests_and_bench() {
        let folder = tempfile::tempdir().unwrap();
        for name in [
            "b.yaml",
            "services/a.yml",
            "tests/t.yaml",
            "bench/b.yaml",
            ".hidden.yaml",
            "x.json",
        ] {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "a: 1").unwrap();
        }
        let files = read_files(folder.path()).unwrap();
        let names: Vec<_> = files
            .iter()
            .map(|(name, _)| {
                name.strip_prefix(&format!("{}/", folder.path().display()))
                    .unwrap()
            })
            .collect();
        assert_eq!(names, ["b.yaml", "services/a.yml"]);

        std::fs::write(folder.path().join("big.yaml"), vec![b' '; 1 + (1 << 20)]).unwrap();
        std::fs::write(folder.path().join("latin.yaml"), [0xE9]).unwrap();
        let problems = read_files(folder.path()).unwrap_err();
        let [big, latin] = &problems[..] else {
            panic!("{problems:?}");
        };
        assert!(
            big.to_string()
                .ends_with("big.yaml: larger than 1048576 bytes, the most a rule file may have"),
            "{big}"
        );
        assert!(latin.to_string().ends_with("latin.yaml: not UTF-8 text"));
        assert!(
            read_files(Path::new("/no/such/book")).unwrap_err()[0]
                .to_string()
                .contains("cannot be read")
        );
    }
}
