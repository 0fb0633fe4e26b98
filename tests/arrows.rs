//! The arrows between the folders of `src/` point down only, and only their owners name certain crates.

use std::fs;
use std::path::{Path, PathBuf};

/// Who may use whom. A folder may always use itself.
const MAY_USE: &[(&str, &[&str])] = &[
    ("base", &[]),
    ("config", &["base"]),
    ("wire", &["base"]),
    ("rt", &["base"]),
    ("security", &["base"]),
    ("log", &["base", "config", "wire", "rt"]),
    ("metadata", &["base", "config", "rt", "security"]),
    ("group", &["base", "config", "wire", "rt", "log", "metadata"]),
    (
        "shard",
        &["base", "config", "wire", "rt", "log", "metadata", "group"],
    ),
    ("control", &["base", "config", "rt", "metadata", "shard"]),
    (
        "server",
        &[
            "base", "config", "wire", "rt", "security", "log", "metadata", "group", "shard",
        ],
    ),
    ("bench", &["base", "config", "wire"]),
    (
        "cli",
        &[
            "base", "config", "wire", "rt", "log", "metadata", "shard", "control", "server", "bench",
        ],
    ),
    (
        "simulation",
        &[
            "base", "config", "wire", "rt", "log", "metadata", "shard", "control", "server",
        ],
    ),
];

/// Crates and modules that only some folders may name.
const ONLY_IN: &[(&str, &[&str])] = &[
    ("glommio", &["rt/glommio", "rt/mod"]),
    ("tokio", &["rt", "control"]),
    (
        "crate::wire::messages",
        &["wire", "server", "cli", "bench", "group/stored", "simulation"],
    ),
    ("anyhow", &["cli", "bench", "main"]),
    ("clap", &["cli", "bench", "main"]),
];

/// Every file below `src/`: its path there and its text without comment lines.
fn code() -> Vec<(String, String)> {
    fn collect(dir: &Path, found: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                collect(&path, found);
            } else if path.extension().is_some_and(|e| e == "rs") {
                found.push(path);
            }
        }
    }
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    collect(&src, &mut files);
    assert!(files.len() > 50, "the sources were not found");
    let read = |path: &PathBuf| {
        let name = path.strip_prefix(&src).unwrap().to_str().unwrap().to_owned();
        let text = fs::read_to_string(path).unwrap();
        let code: Vec<_> = text
            .lines()
            .filter(|line| !line.trim_start().starts_with("//"))
            .collect();
        (name, code.join("\n"))
    };
    files.iter().map(read).collect()
}

fn first_word(text: &str) -> &str {
    let end = text
        .find(|c: char| !c.is_alphanumeric() && c != '_')
        .unwrap_or(text.len());
    &text[..end]
}

/// The folders that `crate::...` paths name, `use crate::{a, b}` groups included.
fn used_folders(code: &str) -> Vec<&str> {
    let mut used = Vec::new();
    for (at, found) in code.match_indices("crate::") {
        let rest = &code[at + found.len()..];
        let Some(group) = rest.strip_prefix('{') else {
            used.push(first_word(rest));
            continue;
        };
        let (mut depth, mut at_start) = (0, true);
        for (i, c) in group.char_indices() {
            match c {
                '}' if depth == 0 => break,
                '}' => depth -= 1,
                '{' => depth += 1,
                ',' => at_start = true,
                c if at_start && depth == 0 && c.is_alphabetic() => {
                    used.push(first_word(&group[i..]));
                    at_start = false;
                }
                _ => {}
            }
        }
    }
    used
}

#[test]
fn folders_use_only_what_is_below_them() {
    let mut wrong = Vec::new();
    for (file, code) in code() {
        let Some((folder, _)) = file.split_once('/') else {
            continue;
        };
        let Some((_, allowed)) = MAY_USE.iter().find(|(f, _)| *f == folder) else {
            panic!("src/{folder} has no place in the order of folders; give it one here and in src/README.md")
        };
        for used in used_folders(&code) {
            let is_folder = MAY_USE.iter().any(|(f, _)| *f == used);
            if is_folder && used != folder && !allowed.contains(&used) {
                wrong.push(format!("{file} uses {used}"));
            }
        }
    }
    assert!(wrong.is_empty(), "arrows that point up:\n{}", wrong.join("\n"));
}

#[test]
fn crates_stay_with_their_owners() {
    let mut wrong = Vec::new();
    for (file, code) in code() {
        for (name, owners) in ONLY_IN {
            let owned = owners
                .iter()
                .any(|o| file.starts_with(&format!("{o}/")) || file == format!("{o}.rs"));
            let named = code.match_indices(name).any(|(at, _)| {
                let before = code[..at].chars().next_back();
                let whole = before.is_none_or(|c| !c.is_alphanumeric() && c != '_' && c != ':');
                whole && code[at + name.len()..].starts_with("::")
            });
            if named && !owned {
                wrong.push(format!("{file} names {name}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_reader_of_paths_reads_them() {
    let code = "use crate::{log::{A, rt}, wire};\nfn f() { crate::config::g() }";
    assert_eq!(used_folders(code), ["log", "wire", "config"]);
}
