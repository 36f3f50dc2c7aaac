//! [`Line`]: in which order answers are put out, among each other and with the watermarks between their records. Pure.

use std::collections::VecDeque;

use millstream_core::time::Timestamp;

use super::options::Order;
use crate::operator::Signal;

/// What is put out next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Turn {
    /// The answers of the request of this number.
    Request(u32),
    /// What lay between records.
    Signal(Signal),
}

/// The requests whose answers have not been put out, and the signals that came between them.
///
/// Signals wait for all requests in front of them, and requests for all signals in front of them. Requests between the same two signals are put out in
/// their order, or as they are answered.
pub(super) struct Line {
    is_ordered: bool,
    /// From one signal to the next; the last is where requests join.
    segments: VecDeque<Segment>,
    /// The number of the first.
    first: u64,
    /// By request.
    places: Vec<Place>,
}

#[derive(Default)]
struct Segment {
    /// In their order, whether they have been answered or not; if the line is not ordered, those that have.
    requests: VecDeque<u32>,
    /// How many have not been put out.
    waiting: usize,
    /// What follows them; several signals with no record between them are one.
    end: Option<Boundary>,
}

#[derive(Clone, Copy, Default)]
struct Place {
    segment: u64,
    is_answered: bool,
}

/// Signals with no record between them. As many as come, this is what they amount to.
#[derive(Debug, Clone, Copy, Default)]
struct Boundary {
    was_active: bool,
    watermark: Option<Timestamp>,
    is_idle: bool,
}

impl Boundary {
    fn add(&mut self, signal: Signal) {
        match signal {
            Signal::Watermark(at) => self.watermark = Some(at),
            Signal::Idle => self.is_idle = true,
            _ => (self.was_active, self.is_idle) = (true, false),
        }
    }

    /// The next of them, in an order in which nothing comes while the stream is idle.
    fn pop(&mut self) -> Option<Signal> {
        if std::mem::take(&mut self.was_active) {
            return Some(Signal::Active);
        }
        if let Some(at) = self.watermark.take() {
            return Some(Signal::Watermark(at));
        }
        std::mem::take(&mut self.is_idle).then_some(Signal::Idle)
    }
}

impl Line {
    pub(super) fn new(order: Order) -> Self {
        let segments = VecDeque::from([Segment::default()]);
        Self { is_ordered: order == Order::Ordered, segments, first: 0, places: Vec::new() }
    }

    /// True if a record that comes now could be put out at once.
    #[inline(always)]
    pub(super) fn is_open(&self) -> bool {
        self.segments.len() == 1 && (!self.is_ordered || self.segments[0].requests.is_empty())
    }

    /// A request joins.
    pub(super) fn join(&mut self, request: u32) {
        let index = request as usize;
        if self.places.len() <= index {
            self.places.resize(index + 1, Place::default());
        }
        let segment = self.first + (self.segments.len() - 1) as u64;
        self.places[index] = Place { segment, is_answered: false };
        let last = self.segments.back_mut().expect("there is always a segment to join");
        last.waiting += 1;
        if self.is_ordered {
            last.requests.push_back(request);
        }
    }

    /// A request has been answered.
    pub(super) fn answered(&mut self, request: u32) {
        let place = &mut self.places[request as usize];
        place.is_answered = true;
        if !self.is_ordered {
            self.segments[(place.segment - self.first) as usize].requests.push_back(request);
        }
    }

    /// A signal comes; given back if nothing is in front of it.
    pub(super) fn signal(&mut self, signal: Signal) -> Option<Signal> {
        let last = self.segments.len() - 1;
        if self.segments[last].waiting > 0 {
            self.segments.push_back(Segment::default());
        } else if last == 0 {
            return Some(signal);
        }
        let before = self.segments.len() - 2;
        self.segments[before].end.get_or_insert_default().add(signal);
        None
    }

    /// Takes what is to be put out next, if anything may be.
    pub(super) fn next(&mut self) -> Option<Turn> {
        let first = &mut self.segments[0];
        if let Some(request) = first.requests.front() {
            if !self.places[*request as usize].is_answered {
                return None;
            }
            first.waiting -= 1;
            return first.requests.pop_front().map(Turn::Request);
        }
        if first.waiting > 0 {
            return None;
        }
        let signal = first.end.as_mut()?.pop();
        if let Some(signal) = signal {
            return Some(Turn::Signal(signal));
        }
        self.segments.pop_front();
        self.first += 1;
        self.next()
    }

    /// True if nothing waits.
    pub(super) fn is_empty(&self) -> bool {
        self.segments.len() == 1 && self.segments[0].waiting == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: i64) -> Signal {
        Signal::Watermark(Timestamp::from_millis(millis))
    }

    /// All that may be put out now: numbers of requests, and signals.
    fn out(line: &mut Line) -> String {
        let mut text = String::new();
        while let Some(turn) = line.next() {
            text += &match turn {
                Turn::Request(request) => format!("{request} "),
                Turn::Signal(Signal::Watermark(at)) => format!("w{} ", at.millis()),
                Turn::Signal(signal) => format!("{signal:?} "),
            };
        }
        text.trim_end().to_owned()
    }

    #[test]
    fn ordered_answers_wait_for_those_in_front() {
        let mut line = Line::new(Order::Ordered);
        assert!(line.is_open() && line.is_empty());
        (0..3).for_each(|request| line.join(request));
        assert!(!line.is_open());
        line.answered(1);
        assert_eq!(out(&mut line), "");
        line.answered(0);
        assert_eq!(out(&mut line), "0 1");
        assert!(line.signal(at(5)).is_none());
        line.join(0);
        line.answered(0);
        assert_eq!(out(&mut line), "");
        line.answered(2);
        assert_eq!(out(&mut line), "2 w5 0");
        assert!(line.is_open() && line.is_empty());
    }

    #[test]
    fn unordered_answers_overtake_each_other_but_no_watermark() {
        let mut line = Line::new(Order::Unordered);
        line.join(0);
        line.join(1);
        assert!(line.is_open());
        assert!(line.signal(at(5)).is_none());
        assert!(!line.is_open());
        line.join(2);
        line.join(3);
        for request in [3, 1] {
            line.answered(request);
        }
        assert_eq!(out(&mut line), "1");
        line.answered(0);
        assert_eq!(out(&mut line), "0 w5 3");
        assert!(line.is_open() && !line.is_empty());
        line.answered(2);
        assert_eq!(out(&mut line), "2");
        assert!(line.is_empty());
    }

    #[test]
    fn signals_without_records_between_them_are_one() {
        let mut line = Line::new(Order::Unordered);
        assert_eq!(line.signal(at(1)), Some(at(1)));
        line.join(0);
        for signal in [at(2), Signal::Idle, Signal::Active, at(3), Signal::Idle] {
            assert!(line.signal(signal).is_none());
        }
        assert_eq!(line.segments.len(), 2);
        line.answered(0);
        assert_eq!(out(&mut line), "0 Active w3 Idle");
        assert_eq!(line.signal(at(4)), Some(at(4)));
    }
}
