//! What cannot be read fails, by name, and never passes for a shorter file.

use std::{io, path::PathBuf, time::Duration};

use millstream_runtime::env::{Disk, Files, ReadFile, WriteFile};

use super::{whole::Row, *};
use crate::{CsvFiles, TextFiles};

fn lines() -> String {
    (0..200).map(|i| format!("line {i} of {}\n", i * 7919 % 1000)).collect()
}

/// How a packed file that was changed reads.
fn read_changed(packing: Packing, bytes: &[u8]) -> Result<Vec<String>, String> {
    let directory = tempfile::tempdir().unwrap();
    file(directory.path(), &packing.name("lines.txt"), bytes);
    let read = block_on(read_all(&TextFiles::read(directory.path()), Sizes::DEFAULT));
    read.map(|(good, _)| good).map_err(|failure| message(&failure, directory.path()))
}

#[test]
fn an_archive_that_was_cut_off_anywhere_fails() {
    for (packing, name) in [(Packing::Gzip, "gzip"), (Packing::Zstd, "zstd")] {
        let whole = packing.pack(lines().as_bytes());
        assert_eq!(read_changed(packing, &whole).unwrap().len(), 200);
        for len in 0..whole.len() {
            assert_eq!(
                read_changed(packing, &whole[..len]).unwrap_err(),
                format!(
                    "cannot read {}: its {name} data ends too early; copy the file again, and if it is still being written, rename it \
                     into place when it is complete",
                    packing.name("lines.txt")
                ),
                "{len} of {} bytes",
                whole.len()
            );
        }
    }
}

#[test]
fn an_archive_that_was_damaged_anywhere_fails_or_says_the_same() {
    for packing in [Packing::Gzip, Packing::Zstd] {
        let whole = packing.pack(lines().as_bytes());
        let expected = read_changed(packing, &whole).unwrap();
        let mut failed = 0;
        for at in 0..whole.len() {
            let mut changed = whole.clone();
            changed[at] ^= 0x10;
            match read_changed(packing, &changed) {
                Ok(read) => assert_eq!(read, expected, "{packing:?}, byte {at}"),
                Err(message) => {
                    let begins = format!("cannot read {}: its ", packing.name("lines.txt"));
                    assert!(message.starts_with(&begins) && message.contains("; copy the file again"), "{message}");
                    failed += 1;
                }
            }
        }
        // Only what is said about the file itself (its time, the system) may change unnoticed.
        assert!(failed > whole.len() - 16, "{packing:?}: {failed} of {}", whole.len());
    }
}

#[test]
fn what_is_no_archive_is_told() {
    assert_eq!(
        read_changed(Packing::Gzip, b"plain text, whatever the name says").unwrap_err(),
        "cannot read lines.txt.gz: its gzip data is damaged (invalid gzip header); copy the file again, or pack it anew"
    );
    assert_eq!(
        read_changed(Packing::Zstd, b"plain text, whatever the name says").unwrap_err(),
        "cannot read lines.txt.zst: its zstd data is damaged (Unknown frame descriptor); copy the file again, or pack it anew"
    );
}

#[test]
fn a_damaged_header_is_found_before_anything_runs() {
    let directory = tempfile::tempdir().unwrap();
    let packed = Packing::Gzip.pack(b"number,text\n1,a\n");
    file(directory.path(), "rows.csv.gz", &packed[..15]);
    block_on(async {
        let cx = ConnectorContext::detached(TokioEnv::current(), "test");
        let failure = CsvFiles::<Row>::read(directory.path()).check(&cx).unwrap_err();
        assert_eq!(
            message(&failure, directory.path()),
            "cannot read rows.csv.gz: its gzip data ends too early; copy the file again, and if it is still being written, rename it into \
             place when it is complete"
        );
    });
}

#[test]
fn a_file_that_has_become_shorter_since_it_was_found_fails() {
    let directory = tempfile::tempdir().unwrap();
    let (text, source) = (lines(), TextFiles::read(directory.path()).split_bytes(100));
    for len in [0, 1, 50, text.len() / 2, text.len() - 1] {
        file(directory.path(), "lines.txt", &text);
        let failure = block_on(async {
            let cx = ConnectorContext::detached(TokioEnv::current(), "test");
            let splits = source.enumerator(&cx)?.discover().await?.splits;
            file(directory.path(), "lines.txt", &text[..len]);
            let mut reader = FileReader::new(Arc::clone(cx.env()), source.format, Sizes::DEFAULT);
            for split in splits.into_iter().rev() {
                reader.open(split)?;
                drain(&mut reader, &mut Default::default()).await?;
            }
            Ok(())
        });
        let told = failure.map_err(|failure: Failure| message(&failure, directory.path())).unwrap_err();
        assert!(told.starts_with("cannot read lines.txt: it has become shorter since it was found; "), "{len}: {told}");
    }
}

#[cfg(unix)]
#[test]
fn what_is_no_file_is_refused_before_it_is_opened() {
    let directory = tempfile::tempdir().unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(directory.path().join("socket")).unwrap();
    std::os::unix::fs::symlink("loop", directory.path().join("loop")).unwrap();
    let check = |path: &str| {
        let source = TextFiles::read(directory.path().join(path));
        block_on(async {
            let cx = ConnectorContext::detached(TokioEnv::current(), "test");
            message(&source.check(&cx).unwrap_err(), directory.path())
        })
    };
    for path in ["socket", "s*"] {
        assert_eq!(check(path), "cannot read socket: it is no file but a pipe, a socket or a device");
    }
    // What cannot be looked at is not left out.
    for path in ["loop", "l*", "l*/*.txt", "*/lines.txt"] {
        assert!(check(path).starts_with("cannot read loop"), "{path}: {}", check(path));
    }
    if cfg!(target_os = "linux") {
        let told = check("/proc/version");
        assert!(told.starts_with("/proc/version says that it is empty, but has content, "), "{told}");
    }
}

/// A file system whose files may not be opened.
struct Locked;

impl Files for Locked {
    fn open(&self, _: &Path) -> io::Result<Box<dyn ReadFile>> {
        Err(io::Error::from_raw_os_error(13))
    }
    fn create(&self, path: &Path) -> io::Result<Box<dyn WriteFile>> {
        Disk.create(path)
    }
    fn append(&self, path: &Path) -> io::Result<Box<dyn WriteFile>> {
        Disk.append(path)
    }
    fn truncate(&self, path: &Path, len: u64) -> io::Result<Box<dyn WriteFile>> {
        Disk.truncate(path, len)
    }
    fn len(&self, path: &Path) -> io::Result<u64> {
        Disk.len(path)
    }
    fn is_dir(&self, path: &Path) -> bool {
        Disk.is_dir(path)
    }
    fn list(&self, _: &Path) -> io::Result<Vec<PathBuf>> {
        Err(io::Error::from_raw_os_error(13))
    }
    fn create_dir(&self, path: &Path) -> io::Result<()> {
        Disk.create_dir(path)
    }
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        Disk.rename(from, to)
    }
    fn remove(&self, path: &Path) -> io::Result<()> {
        Disk.remove(path)
    }
    fn remove_dir(&self, path: &Path) -> io::Result<()> {
        Disk.remove_dir(path)
    }
    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        Disk.sync_dir(path)
    }
    fn remove_empty_dir(&self, path: &Path) -> io::Result<()> {
        Disk.remove_empty_dir(path)
    }
}

#[test]
fn what_may_not_be_read_is_told() {
    let directory = tempfile::tempdir().unwrap();
    for packing in PACKINGS {
        file(directory.path(), &packing.name("lines.txt"), packing.pack(b"a\n"));
        let path = directory.path().join(packing.name("lines.txt"));
        let error = crate::files::compression::open(&Locked, &path, 0).err().unwrap();
        assert_eq!(
            message(&crate::files::cannot_read(&path, &error), directory.path()),
            format!("cannot read {}: Permission denied (os error 13)", packing.name("lines.txt"))
        );
    }
    let failure = TextFiles::read(directory.path()).discover(&Locked, &Default::default()).unwrap_err();
    assert_eq!(
        failure.to_string(),
        format!("cannot read {}: Permission denied (os error 13)", directory.path().display())
    );
}

#[test]
fn only_what_may_grow_can_be_watched() {
    let directory = tempfile::tempdir().unwrap();
    file(directory.path(), "lines.txt", "a\n");
    let check = |name: &str| {
        let source = TextFiles::read(directory.path().join(name)).watch(Duration::from_secs(1));
        block_on(async {
            let cx = ConnectorContext::detached(TokioEnv::current(), "test");
            source.check(&cx).map_err(|failure| message(&failure, directory.path()))
        })
    };
    assert_eq!(check(""), Ok(()));
    assert_eq!(check("later-*.txt"), Ok(()));
    assert_eq!(check("none.txt"), Err("there is no file or directory none.txt".to_owned()));
    assert_eq!(
        check("lines.txt"),
        Err("lines.txt is a file, and only a directory or a pattern can be watched for new files; remove `.watch(..)`, or name its directory"
            .to_owned())
    );
}

#[test]
fn a_packed_file_that_is_shorter_than_what_was_read_of_it_is_told() {
    let directory = tempfile::tempdir().unwrap();
    for packing in [Packing::Gzip, Packing::Zstd] {
        let name = packing.name("lines.txt");
        file(directory.path(), &name, packing.pack(b"a\nb\n"));
        let source = TextFiles::read(directory.path().join(&name));
        let failure = block_on(async {
            let mut reader = source.reader(&ConnectorContext::detached(TokioEnv::current(), "test")).unwrap();
            reader.open((directory.path().join(&name).display().to_string(), 100, u64::MAX)).unwrap();
            reader.fetch().await.unwrap_err()
        });
        assert_eq!(
            message(&failure, directory.path()),
            format!(
                "cannot read {name}: its text has become shorter since a part of it was read; leave files as they are until they are read to their end"
            )
        );
    }
}
