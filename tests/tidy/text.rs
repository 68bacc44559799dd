//! What must not stand in a file, and how long it may be.

use crate::sources::sources;

/// Longest file of `src/` and `loadgen/src/`, in lines.
const LINES_MAX: usize = 500;
/// Files that were longer when the limit came, with what they may have at most: shorten them, and
/// then this list.
const LONGER: &[(&str, usize)] = &[];
/// Calls that say that something is not done yet, or that somebody was looking for a fault.
const UNFINISHED: &[&str] = &["todo!(", "unimplemented!(", "dbg!("];
/// Words that code begins with, when it has been put into a comment.
const CODE_BEGINS: &[&str] = &[
    "let ", "use ", "fn ", "pub ", "if ", "for ", "while ", "match ", "return ", "self.", "#[",
    "} ",
];
const CODE_ENDS: &[&str] = &[";", " {", "},"];

/// Everything that breaks these rules.
pub(crate) fn problems() -> Vec<String> {
    let mut problems = Vec::new();
    let folders = ["src", "loadgen/src", "tests", "loadgen/tests", "benches"];
    for source in folders.into_iter().flat_map(sources) {
        if source.path.starts_with("tests/tidy") {
            // It names what it looks for.
            continue;
        }
        let path = &source.path;
        let lines = source.text.lines().count();
        let known = LONGER.iter().find(|(longer, _)| longer == path);
        let lines_max = known.map_or(LINES_MAX, |(_, lines)| *lines);
        if lines > lines_max && path.contains("src/") {
            problems.push(format!(
                "{path} has {lines} lines, more than {lines_max}: split it by what it does"
            ));
        }
        if known.is_some() && lines <= LINES_MAX {
            problems.push(format!("{path} is short now: take it off the list LONGER"));
        }
        for (number, line) in source.text.lines().enumerate() {
            let place = format!("{path}:{}", number + 1);
            let line = line.trim();
            for word in UNFINISHED {
                if !line.starts_with("//") && line.contains(word) {
                    problems.push(format!("{place}: {word}…) is not for the main line"));
                }
            }
            if is_dead_code(line) {
                problems.push(format!("{place}: code in a comment: {line}"));
            }
        }
    }
    problems
}

fn is_dead_code(line: &str) -> bool {
    // Doc comments hold examples.
    let Some(comment) = line.strip_prefix("// ") else {
        return false;
    };
    CODE_BEGINS.iter().any(|begin| comment.starts_with(begin))
        && CODE_ENDS.iter().any(|end| comment.ends_with(end))
}

#[test]
fn comments_that_are_code_are_told_from_sentences() {
    assert!(is_dead_code("// let x = 5;"));
    assert!(is_dead_code("// if x {"));
    assert!(!is_dead_code("// if this ends a sentence, it is one."));
    assert!(!is_dead_code("/// let x = 5;"));
}
