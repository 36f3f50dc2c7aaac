//! Files of every format, plain and packed, cut at every place, damaged and unreadable.
#![allow(clippy::disallowed_methods, reason = "tests lay out files of their own")]

mod damaged;
mod whole;

use std::{fs, io::Write, path::Path, sync::Arc};

use millstream_core::record::Record;
use millstream_runtime::{
    env::TokioEnv,
    failure::Failure,
    source::{BadRecord, ConnectorContext, Fetched, Source, SplitEnumerator, SplitReader},
};

use super::{FileReader, FileSource, ReadFormat, Sizes, Stop};

/// Sizes at which everything that happens at a border happens in a short text.
const TINY: Sizes = Sizes { chunk: 16, past_end: 3, headroom: 5, row: Sizes::DEFAULT.row };

/// How a test packs a text.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Packing {
    Plain,
    Gzip,
    Zstd,
}

const PACKINGS: [Packing; 3] = [Packing::Plain, Packing::Gzip, Packing::Zstd];

impl Packing {
    fn name(self, stem: &str) -> String {
        match self {
            Self::Plain => stem.to_owned(),
            Self::Gzip => format!("{stem}.gz"),
            Self::Zstd => format!("{stem}.zst"),
        }
    }

    fn pack(self, text: &[u8]) -> Vec<u8> {
        match self {
            Self::Plain => text.to_vec(),
            Self::Gzip => {
                let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
                encoder.write_all(text).unwrap();
                encoder.finish().unwrap()
            }
            Self::Zstd => {
                let mut encoder = zstd::Encoder::new(Vec::new(), 1).unwrap();
                encoder.include_checksum(true).unwrap();
                encoder.write_all(text).unwrap();
                encoder.finish().unwrap()
            }
        }
    }
}

fn block_on<T>(test: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(test)
}

/// What a source gives: records and bad ones, each in their order.
type Everything<T> = (Vec<T>, Vec<BadRecord>);

/// Reads everything with one reader.
async fn read_all<F: ReadFormat>(source: &FileSource<F>, sizes: Sizes) -> Result<Everything<F::Out>, Failure> {
    let cx = ConnectorContext::detached(TokioEnv::current(), "test");
    source.check(&cx)?;
    let discovered = source.enumerator(&cx)?.discover().await?;
    let mut reader = FileReader::new(Arc::clone(cx.env()), source.format.clone(), sizes);
    let mut all = (Vec::new(), Vec::new());
    for split in discovered.splits {
        reader.open(split)?;
        drain(&mut reader, &mut all).await?;
    }
    Ok(all)
}

/// Reads what is left of the split that the reader has open.
async fn drain<F: ReadFormat>(reader: &mut FileReader<F>, all: &mut Everything<F::Out>) -> Result<(), Failure> {
    while reader.fetch().await? == Fetched::Data {
        loop {
            let stop = reader.records(|record| {
                all.0.push(F::Out::from_view(record));
                false
            });
            let keep = |bad: <BadRecord as Record>::View<'_>| {
                all.1.push(BadRecord::from_view(bad));
                Ok(())
            };
            if stop == Stop::Empty || !reader.reject(true, keep)? {
                break;
            }
        }
    }
    Ok(())
}

fn file(directory: &Path, name: &str, text: impl AsRef<[u8]>) {
    fs::write(directory.join(name), text).unwrap();
}

/// A failure without the directory that happened to be used.
fn message(failure: &Failure, directory: &Path) -> String {
    failure.to_string().replace(&format!("{}/", directory.display()), "")
}
