//! The lock file of state schemas: which layouts of types are stored somewhere, as `schema lock` has written them.
//!
//! It lies beside the source file that a type is in, or in a directory above, up to that of the package. A line of it is `v1 8f3a0c6d9b2e4a71 Cart`: version, hash and
//! name; the rest is for people.

use std::path::{Path, PathBuf};

use proc_macro2::Span;

/// The name of the file.
const NAME: &str = "millstream.lock";
/// How many directories above a source file are looked into.
const LIMIT_DEPTH: usize = 32;

/// What a lock file has of one version of a type.
#[derive(Debug)]
pub(crate) struct Locked {
    /// The file, by an absolute path.
    pub(crate) path: PathBuf,
    /// The hashes of this version; several if types share the name.
    pub(crate) hashes: Vec<u64>,
}

/// What is locked of a type that stands at `span`; nothing if there is no file, or if the type is not in it.
pub(crate) fn look_up(span: Span, name: &str, version: u32) -> Option<Locked> {
    // In tests of the derive alone there is no compiler, and no file.
    let source = proc_macro::is_available().then(|| span.unwrap().local_file())??;
    let (path, text) = find(&std::path::absolute(source).ok()?)?;
    let hashes = hashes(&text, name, version);
    (!hashes.is_empty()).then_some(Locked { path, hashes })
}

#[allow(clippy::disallowed_methods, reason = "a macro runs in the compiler, not in the engine")]
fn find(source: &Path) -> Option<(PathBuf, String)> {
    for dir in source.ancestors().skip(1).take(LIMIT_DEPTH) {
        let path = dir.join(NAME);
        if let Ok(text) = std::fs::read_to_string(&path) {
            return Some((path, text));
        }
        if std::fs::metadata(dir.join("Cargo.toml")).is_ok() {
            break;
        }
    }
    None
}

fn hashes(text: &str, name: &str, version: u32) -> Vec<u64> {
    let line = |line: &str| {
        let mut parts = line.splitn(3, ' ');
        let found: u32 = parts.next()?.strip_prefix('v')?.parse().ok()?;
        let hash = u64::from_str_radix(parts.next()?, 16).ok()?;
        let same = found == version && parts.next()? == name.escape_debug().to_string();
        same.then_some(hash)
    };
    text.lines().filter_map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_found_by_name_and_version() {
        let text = "# comment\n\nv1 000000000000000a Cart\n  struct Cart {}\nv2 0b Cart\nv1 0c Cart\nv1 zz Cart\nv1 0d my cart\n";
        assert_eq!(hashes(text, "Cart", 1), [10, 12]);
        assert_eq!(hashes(text, "Cart", 2), [11]);
        assert_eq!(hashes(text, "my cart", 1), [13]);
        assert_eq!((hashes(text, "Cart", 3), hashes(text, "cart", 1)), (vec![], vec![]));
    }

    #[test]
    fn a_file_is_found_up_to_the_package() {
        let package = Path::new(env!("CARGO_MANIFEST_DIR"));
        assert!(find(&package.join("src/lock.rs")).is_none());
        let (path, _) = find(&package.join("../tests/ui/locked/inner/any.rs")).expect("that of the tests of messages");
        assert!(path.ends_with("tests/ui/locked/millstream.lock"), "{}", path.display());
    }
}
