//! Headers say what they were told, and refuse what they cannot be.

use super::*;

const LIMIT: usize = 1 << 20;

#[test]
fn headers_are_read_back() {
    for kind in [Kind::Open, Kind::Grant, Kind::Settled, Kind::Batch, Kind::Note, Kind::Close, Kind::Refuse] {
        let header = Header::new(kind, 0xdead_beef, b"meta", b"body of records");
        assert_eq!(Header::decode(&header.encode(), LIMIT), Ok(header));
        assert_eq!(header.check(b"meta", b"body of records"), Ok(()));
    }
}

#[test]
fn a_header_of_this_version_stays_readable() {
    // Written once and kept: the bytes on the wire are a promise between processes of one release, and a change of them needs a new version.
    let bytes = [1, 4, 4, 0, 7, 0, 0, 0, 3, 0, 0, 0, 0x90, 0x2d, 0x5c, 0x80];
    let header = Header::new(Kind::Batch, 7, b"meta", b"abc");
    assert_eq!(header.encode(), bytes);
    assert_eq!(Header::decode(&bytes, LIMIT), Ok(header));
}

#[test]
fn what_is_no_header_is_refused() {
    let bytes = Header::new(Kind::Batch, 7, b"", &[0; 100]).encode();
    let with = |at: usize, byte: u8| {
        let mut bytes = bytes;
        bytes[at] = byte;
        Header::decode(&bytes, LIMIT)
    };
    assert_eq!(with(0, 2), Err(FrameError::Version { found: 2 }));
    assert_eq!(with(1, 0), Err(FrameError::Kind(0)));
    assert_eq!(with(1, 99), Err(FrameError::Kind(99)));
    assert_eq!(with(3, 0x10), Ok(Header { meta_bytes: 4096, ..Header::new(Kind::Batch, 7, b"", &[0; 100]) }));
    assert_eq!(with(3, 0x11), Err(FrameError::TooLong { bytes: 0x1100, limit: META_BYTES_LIMIT }));
    assert_eq!(with(11, 1), Err(FrameError::TooLong { bytes: (1 << 24) + 100, limit: LIMIT }));
    assert_eq!(Header::decode(&bytes, 99), Err(FrameError::TooLong { bytes: 100, limit: 99 }));
}

#[test]
fn every_bit_of_a_frame_is_under_the_checksum() {
    let (meta, body) = (b"meta".to_vec(), b"body".to_vec());
    let bytes: Vec<u8> = [&Header::new(Kind::Note, 3, &meta, &body).encode()[..], &meta, &body].concat();
    for bit in 0..bytes.len() * 8 {
        let mut damaged = bytes.clone();
        damaged[bit / 8] ^= 1 << (bit % 8);
        let (header, rest) = damaged.split_first_chunk().expect("it has a header");
        // Lengths that say something else are found when the frame is cut out by them.
        let Ok(header) = Header::decode(header, LIMIT) else { continue };
        let (meta, body) = rest.split_at(rest.len().min(header.meta_bytes.into()));
        assert!(header.check(meta, body).is_err(), "bit {bit} may be damaged without a word");
    }
}
