//! Frames arrive whole, however they are cut on the way; damaged ones never pass for others, and never panic.
//!
//! `MILLSTREAM_TEST_BUDGET=full` tries many seeds; a failure prints its own.

use millstream_net::{
    frame::{Header, Kind},
    reader::FrameReader,
    wire::{Grant, ReceivedBatch, decode_settled},
};
use millstream_testkit::{budget, rng::Rng};

const LIMIT: usize = 64 << 10;

#[derive(Clone, Debug, PartialEq)]
struct Sent {
    kind: Kind,
    channel: u32,
    meta: Vec<u8>,
    body: Vec<u8>,
}

fn draw(rng: &mut Rng) -> Sent {
    let kinds = [Kind::Open, Kind::Grant, Kind::Settled, Kind::Batch, Kind::Note, Kind::Close, Kind::Refuse];
    let mut bytes = |limit: u64| {
        let length = if rng.below(3) == 0 { 0 } else { rng.below(limit) };
        (0..length).map(|_| rng.below(256) as u8).collect()
    };
    let (meta, body) = (bytes(800), bytes(40_000));
    Sent { kind: kinds[rng.index(kinds.len())], channel: rng.below(1 << 32) as u32, meta, body }
}

fn encode(sent: &[Sent]) -> Vec<u8> {
    let frame = |Sent { kind, channel, meta, body }: &Sent| {
        [&Header::new(*kind, *channel, meta, body).encode()[..], meta, body].concat()
    };
    sent.iter().flat_map(frame).collect()
}

/// Reads bytes in pieces of random lengths. Gives what came whole, and whether the rest was refused.
fn read(rng: &mut Rng, mut bytes: &[u8]) -> (Vec<Sent>, bool) {
    let mut reader = FrameReader::new(LIMIT);
    let mut read = Vec::new();
    while !bytes.is_empty() {
        let [first, second] = reader.spare();
        let most = (first.len() + second.len()).min(bytes.len());
        let count = if rng.below(2) == 0 { most } else { 1 + rng.below(most as u64) as usize };
        let (now, later) = bytes.split_at(count);
        let (into_first, into_second) = now.split_at(count.min(first.len()));
        first[..into_first.len()].copy_from_slice(into_first);
        second[..into_second.len()].copy_from_slice(into_second);
        bytes = later;
        reader.advance(count);
        loop {
            match reader.next_frame() {
                Ok(Some(frame)) => read.push(Sent {
                    kind: frame.header.kind,
                    channel: frame.header.channel,
                    meta: frame.meta.to_vec(),
                    body: frame.body,
                }),
                Ok(None) => break,
                Err(_) => return (read, true),
            }
        }
    }
    let whole = reader.is_between_frames();
    (read, !whole)
}

#[test]
fn frames_arrive_however_they_are_cut() {
    for seed in 0..budget::choose(60, 2_000) {
        let rng = &mut Rng::new(seed);
        let sent: Vec<_> = (0..1 + rng.below(30)).map(|_| draw(rng)).collect();
        let (read, refused) = read(rng, &encode(&sent));
        assert!(!refused && read == sent, "seed {seed}");
    }
}

#[test]
fn damaged_frames_are_refused_and_those_before_them_are_not() {
    for seed in 0..budget::choose(300, 20_000) {
        let rng = &mut Rng::new(seed);
        let sent: Vec<_> = (0..1 + rng.below(8)).map(|_| draw(rng)).collect();
        let mut bytes = encode(&sent);
        for _ in 0..1 + rng.below(3) {
            let at = rng.index(bytes.len());
            match rng.below(4) {
                0 => bytes[at] ^= 1 << rng.below(8),
                1 => drop(bytes.drain(at..at + (1 + rng.index(40)).min(bytes.len() - at))),
                2 => bytes.insert(at, rng.below(256) as u8),
                _ => bytes.truncate(at.max(1)),
            }
        }
        let damaged = bytes != encode(&sent);
        let (read, refused) = read(rng, &bytes);
        let whole = read.len() <= sent.len() && read[..] == sent[..read.len()];
        assert!(whole, "seed {seed}: a damaged frame passes for another");
        // Cut off between two frames nothing is damaged: that connections end is told otherwise.
        let cut_between = (0..=sent.len()).any(|count| bytes == encode(&sent[..count]));
        assert!(!damaged || refused || cut_between, "seed {seed}: damage goes unnoticed");
    }
}

#[test]
fn random_bytes_are_never_frames() {
    for seed in 0..budget::choose(300, 20_000) {
        let rng = &mut Rng::new(seed);
        let mut bytes: Vec<u8> = (0..rng.below(4_000)).map(|_| rng.below(256) as u8).collect();
        if rng.below(2) == 0 && bytes.len() > 2 {
            bytes[..2].copy_from_slice(&[1, 1 + rng.below(7) as u8]); // so that it gets further
        }
        let (read, _) = read(rng, &bytes);
        assert_eq!(read, [], "seed {seed}");
    }
}

#[test]
fn whatever_frames_have_in_them_is_read_or_refused() {
    for seed in 0..budget::choose(2_000, 200_000) {
        let rng = &mut Rng::new(seed);
        let meta: Vec<u8> = (0..rng.below(120)).map(|_| rng.below(256) as u8).collect();
        let body: Vec<u8> = (0..rng.below(200)).map(|_| rng.below(256) as u8).collect();
        let _ = (Grant::decode(&meta), decode_settled(&meta));
        if let Ok(batch) = ReceivedBatch::decode(&meta, body) {
            let behind = batch.watermarks.iter().all(|mark| mark.behind <= batch.received.header.records as usize);
            assert!(behind, "seed {seed}");
            // The schema is random, so this is refused; no panic is all that is asked.
            assert!(batch.received.validate::<u64>().is_err(), "seed {seed}");
        }
    }
}
