//! What was on its way between two chains when a checkpoint's barriers overtook it: the format of the objects that it is kept in. Pure; `docs/internals/channel-state.md`
//! describes it.

use millstream_core::{
    batch::{Marked, WATERMARKS_LIMIT},
    buffer::{Columns, Header, LIMIT_BUFFER_RECORDS, Received},
    time::Timestamp,
};

/// How every object begins.
pub const MAGIC: [u8; 8] = *b"MILLSCHN";
/// The version that this code writes, and the newest that it reads.
pub const VERSION: u32 = 1;

/// The magic and the version.
const HEADER_BYTES: usize = 8 + 4;
/// The length of a frame, and its checksum.
const FRAME_BYTES: usize = 4 + 4;
/// What comes before the watermarks of a batch, in bytes.
const FIXED_BYTES: usize = 4 + 4 + 4 + 4 + 4 + 8 + 1 + 1 + 2;
const WATERMARK_BYTES: usize = 4 + 8;
/// What stands in the frame behind the last batch: how many there are.
const END_BYTES: usize = 8;

const TIMED: u8 = 1;
const HASHED: u8 = 2;

/// A batch that was on its way.
#[derive(Debug)]
pub struct ChannelBatch {
    /// The subtask that had sent it.
    pub sender: u32,
    /// The subtask that it was for.
    pub receiver: u32,
    /// How many of its records had been read already.
    pub skip: u32,
    /// The records. Nobody has looked yet whether they are what the header says.
    pub received: Received,
    /// The watermarks that had not been passed on, in order.
    pub watermarks: Vec<Marked>,
}

/// Why the bytes of an object are not what was on its way.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ChannelsError {
    /// It does not begin as such an object does.
    #[error("it does not begin as channel state does: it is cut off, or it is another kind of file")]
    NotChannels,
    /// A later version of Millstream wrote it.
    #[error(
        "it has format version {found}, and this program reads versions up to {VERSION}: run the job with the version of Millstream that wrote it"
    )]
    Version {
        /// The version that it says.
        found: u32,
    },
    /// It is not what its checksums or its lengths say.
    #[error("it is damaged: {0}")]
    Damaged(&'static str),
}

/// Writes an object, batch by batch.
#[derive(Debug)]
pub struct ChannelsWriter {
    batches: u64,
}

impl ChannelsWriter {
    /// Begins an object: `out` gets its first bytes.
    pub fn new(out: &mut Vec<u8>) -> Self {
        out.extend(MAGIC);
        out.extend(VERSION.to_le_bytes());
        Self { batches: 0 }
    }

    /// Appends a batch of the channel from one subtask to another, of whose records the first `skip` were read already.
    pub fn push(
        &mut self,
        (sender, receiver): (u32, u32),
        skip: u32,
        (header, bytes): (&Header, &[u8]),
        watermarks: &[Marked],
        out: &mut Vec<u8>,
    ) {
        let begin = frame(out);
        let Header { records, data_bytes, columns, port, schema } = *header;
        for number in [sender, receiver, skip, records, data_bytes] {
            out.extend(number.to_le_bytes());
        }
        out.extend(schema.to_le_bytes());
        out.push(if columns.timed { TIMED } else { 0 } | if columns.hashed { HASHED } else { 0 });
        out.push(port);
        out.extend((watermarks.len() as u16).to_le_bytes());
        for mark in watermarks {
            out.extend((mark.behind as u32).to_le_bytes());
            out.extend(mark.at.millis().to_le_bytes());
        }
        out.extend(bytes);
        close(out, begin);
        self.batches += 1;
    }

    /// Ends the object, and says how many batches it has.
    pub fn finish(self, out: &mut Vec<u8>) -> u64 {
        let begin = frame(out);
        out.extend(self.batches.to_le_bytes());
        close(out, begin);
        self.batches
    }
}

/// Leaves room for the length and the checksum of a frame; gives where they are.
fn frame(out: &mut Vec<u8>) -> usize {
    out.extend([0; FRAME_BYTES]);
    out.len() - FRAME_BYTES
}

fn close(out: &mut [u8], begin: usize) {
    let (head, body) = out[begin..].split_at_mut(FRAME_BYTES);
    head[..4].copy_from_slice(&(body.len() as u32).to_le_bytes());
    head[4..].copy_from_slice(&crc32fast::hash(body).to_le_bytes());
}

/// Reads an object: its batches, in the order in which they were written.
///
/// # Errors
///
/// Fails if the bytes are damaged, or of a later version. What the records are is not looked at.
pub fn decode(bytes: &[u8]) -> Result<Vec<ChannelBatch>, ChannelsError> {
    let Some((header, mut rest)) = bytes.split_first_chunk::<HEADER_BYTES>() else {
        return Err(ChannelsError::NotChannels);
    };
    if !header.starts_with(&MAGIC) {
        return Err(ChannelsError::NotChannels);
    }
    let version = u32::from_le_bytes([header[8], header[9], header[10], header[11]]);
    if version != VERSION {
        return Err(ChannelsError::Version { found: version });
    }
    let cut_off = ChannelsError::Damaged("it is cut off");
    let mut batches = Vec::new();
    loop {
        let Some((&[l0, l1, l2, l3, c0, c1, c2, c3], behind)) = rest.split_first_chunk::<FRAME_BYTES>() else {
            return Err(cut_off);
        };
        let length = u32::from_le_bytes([l0, l1, l2, l3]) as usize;
        let Some((body, behind)) = behind.split_at_checked(length) else { return Err(cut_off) };
        if crc32fast::hash(body) != u32::from_le_bytes([c0, c1, c2, c3]) {
            return Err(ChannelsError::Damaged("a checksum is another one"));
        }
        if let Ok(count) = <[u8; END_BYTES]>::try_from(body) {
            return match (u64::from_le_bytes(count) == batches.len() as u64, behind) {
                (true, []) => Ok(batches),
                (true, _) => Err(ChannelsError::Damaged("something comes behind its end")),
                (false, _) => Err(ChannelsError::Damaged("it has another number of batches")),
            };
        }
        batches.push(batch(body)?);
        rest = behind;
    }
}

fn batch(body: &[u8]) -> Result<ChannelBatch, ChannelsError> {
    let short = ChannelsError::Damaged("a batch is too short");
    let Some((fixed, rest)) = body.split_first_chunk::<FIXED_BYTES>() else { return Err(short) };
    let (numbers, fixed) = fixed.split_at(5 * 4);
    let (&[sender, receiver, skip, records, data_bytes], []) = numbers.as_chunks::<4>() else { return Err(short) };
    let [sender, receiver, skip, records, data_bytes] =
        [sender, receiver, skip, records, data_bytes].map(u32::from_le_bytes);
    let &[s0, s1, s2, s3, s4, s5, s6, s7, columns, port, w0, w1] = fixed else { return Err(short) };
    if columns & !(TIMED | HASHED) != 0 {
        return Err(ChannelsError::Damaged("a batch has columns that do not exist"));
    }
    let header = Header {
        records,
        data_bytes,
        columns: Columns { timed: columns & TIMED != 0, hashed: columns & HASHED != 0 },
        port,
        schema: u64::from_le_bytes([s0, s1, s2, s3, s4, s5, s6, s7]),
    };
    let count = usize::from(u16::from_le_bytes([w0, w1]));
    let Some((marks, bytes)) = rest.split_at_checked(count * WATERMARK_BYTES) else { return Err(short) };
    let marks = marks.as_chunks::<WATERMARK_BYTES>().0;
    let watermarks: Vec<Marked> = marks.iter().map(mark).collect();
    if watermarks.len() > WATERMARKS_LIMIT || records > LIMIT_BUFFER_RECORDS {
        return Err(ChannelsError::Damaged("a batch has more records or watermarks than one may have"));
    }
    let order = [skip as usize].into_iter().chain(watermarks.iter().map(|mark| mark.behind));
    if !order.chain([records as usize]).is_sorted() {
        return Err(ChannelsError::Damaged("the watermarks of a batch are not in order"));
    }
    Ok(ChannelBatch { sender, receiver, skip, received: Received { header, bytes: bytes.to_vec() }, watermarks })
}

fn mark(bytes: &[u8; WATERMARK_BYTES]) -> Marked {
    let [b0, b1, b2, b3, at @ ..] = *bytes;
    Marked { behind: u32::from_le_bytes([b0, b1, b2, b3]) as usize, at: Timestamp::from_millis(i64::from_le_bytes(at)) }
}

#[cfg(test)]
mod tests {
    use millstream_core::buffer::BufferBuilder;
    use proptest::prelude::*;

    use super::*;

    /// An object with two batches, the second of which has no records.
    fn object() -> Vec<u8> {
        let mut out = Vec::new();
        let mut writer = ChannelsWriter::new(&mut out);
        let mut builder = BufferBuilder::<(u64, String)>::new(Columns { timed: true, hashed: true }, 1 << 20);
        for n in 0..3_u64 {
            let name = "x".repeat(n as usize);
            builder.push((n, &name), Timestamp::from_millis(n as i64), n).expect("it is small");
        }
        let marks = [1, 3].map(|behind| Marked { behind, at: Timestamp::from_millis(behind as i64 - 9) });
        let buffer = builder.seal(1);
        writer.push((4, 7), 1, (buffer.header(), buffer.bytes()), &marks, &mut out);
        let empty = builder.seal(0);
        writer.push((u32::MAX, 0), 0, (empty.header(), empty.bytes()), &[], &mut out);
        assert_eq!(writer.finish(&mut out), 2);
        out
    }

    #[test]
    fn batches_are_read_back() {
        let read = decode(&object()).expect("nothing happened to it");
        let [first, second] = &read[..] else { panic!("{} batches", read.len()) };
        assert_eq!((first.sender, first.receiver, first.skip, first.received.header.port), (4, 7, 1, 1));
        assert_eq!(
            first.watermarks.iter().map(|mark| (mark.behind, mark.at.millis())).collect::<Vec<_>>(),
            [(1, -8), (3, -6)]
        );
        assert_eq!((second.sender, second.received.header.records, second.watermarks.len()), (u32::MAX, 0, 0));
        let records = read.into_iter().next().expect("there are two").received.validate::<(u64, String)>();
        let records = records.expect("they are of this type");
        let last = records.records::<(u64, String)>(2).next().expect("there are three");
        assert_eq!(last, ((2, "xx"), Timestamp::from_millis(2)));
    }

    /// What version 1 wrote stays readable, and is still written: the bytes of an object with one batch of two numbers.
    #[test]
    fn the_format_stays() {
        let mut out = Vec::new();
        let mut writer = ChannelsWriter::new(&mut out);
        let header = Header {
            records: 2,
            data_bytes: 2,
            columns: Columns { timed: false, hashed: false },
            port: 3,
            schema: 0x0102,
        };
        let mark = Marked { behind: 1, at: Timestamp::from_millis(-2) };
        writer.push((5, 6), 1, (&header, &[8, 9]), &[mark], &mut out);
        writer.finish(&mut out);
        let golden: Vec<u8> = [
            &b"MILLSCHN\x01\0\0\0"[..],
            &[46, 0, 0, 0],
            &out[16..20],
            &[5, 0, 0, 0, 6, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 2, 0, 0, 0],
            &[2, 1, 0, 0, 0, 0, 0, 0, 0, 3, 1, 0],
            &[1, 0, 0, 0, 0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 8, 9],
            &[8, 0, 0, 0],
            &crc32fast::hash(&1_u64.to_le_bytes()).to_le_bytes(),
            &[1, 0, 0, 0, 0, 0, 0, 0],
        ]
        .concat();
        assert_eq!(out, golden);
        assert_eq!(decode(&golden).expect("it is whole").len(), 1);
    }

    #[test]
    fn what_is_cut_off_or_longer_is_refused() {
        let object = object();
        for length in 0..object.len() {
            decode(&object[..length]).expect_err("bytes are missing");
        }
        decode(&[&object[..], &[0]].concat()).expect_err("there is more");
        let mut newer = object.clone();
        newer[8] = 2;
        assert!(matches!(decode(&newer), Err(ChannelsError::Version { found: 2 })));
    }

    proptest! {
        #[test]
        fn damage_is_noticed_and_never_panics(at in 0..4096_usize, flip in 1..=255_u8) {
            let mut damaged = object();
            let at = at % damaged.len();
            damaged[at] ^= flip;
            prop_assert!(decode(&damaged).is_err());
        }

        #[test]
        fn other_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = decode(&bytes);
            let _ = decode(&[&MAGIC[..], &VERSION.to_le_bytes(), &bytes].concat());
            let _ = batch(&bytes);
        }
    }
}
