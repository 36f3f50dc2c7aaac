//! Flink's window operator as its documentation has it, on vectors: every pane and timer is looked for one by one.

use std::collections::BTreeMap;

use millstream::prelude::*;

use crate::{
    support::ms,
    windows::{DISORDER_MS, Event},
};

/// When windows fire.
#[derive(Debug, Clone)]
pub(super) enum When {
    EventTime,
    Count(u64),
    Continuous(i64),
    /// By the difference of values.
    Delta(u64),
    EndOfInput,
    Purging(Box<When>),
}

/// Which elements are forgotten.
#[derive(Debug, Clone, Copy)]
pub(super) enum Evict {
    Nothing,
    Count(usize),
    Time(i64),
    Delta(u64),
}

/// What windows are, by start and end.
pub(super) struct Rules<'a> {
    pub(super) assign: &'a dyn Fn(&Event) -> Vec<(i64, i64)>,
    pub(super) merges: bool,
    pub(super) when: When,
    pub(super) evict: Evict,
    pub(super) evicts_after: bool,
    pub(super) lateness: i64,
}

/// What each window has put out for each key, in order: the elements that it held.
pub(super) type Fired = BTreeMap<(u64, Window), Vec<Vec<u64>>>;

struct Pane {
    key: u64,
    start: i64,
    end: i64,
    elements: Vec<Event>,
    count: u64,
    next: Option<i64>,
    last: Option<u64>,
}

impl Pane {
    fn max(&self) -> i64 {
        if self.end == i64::MAX { i64::MAX - 1 } else { self.end - 1 }
    }
}

struct Operator<'a> {
    rules: &'a Rules<'a>,
    watermark: i64,
    panes: Vec<Pane>,
    /// By time, key and window.
    timers: Vec<(i64, u64, (i64, i64))>,
    fired: Fired,
    late: Vec<Event>,
}

/// What comes of events, where each moves event time on to itself less [`DISORDER_MS`] / 2.
pub(super) fn run(rules: &Rules<'_>, events: &[Event]) -> (Fired, Vec<Event>) {
    let mut operator = Operator {
        rules,
        watermark: i64::MIN,
        panes: Vec::new(),
        timers: Vec::new(),
        fired: Fired::new(),
        late: Vec::new(),
    };
    for event in events {
        operator.record(event);
        operator.advance(event.at.millis() - DISORDER_MS / 2);
    }
    operator.advance(i64::MAX);
    (operator.fired, operator.late)
}

impl Operator<'_> {
    fn cleanup(&self, pane: &Pane) -> i64 {
        if pane.end == i64::MAX { i64::MAX } else { pane.max().saturating_add(self.rules.lateness) }
    }

    fn record(&mut self, event: &Event) {
        let mut taken = false;
        for (start, end) in (self.rules.assign)(event) {
            let blank = |start, end| Pane {
                key: event.key,
                start,
                end,
                elements: Vec::new(),
                count: 0,
                next: None,
                last: None,
            };
            let mut pane = blank(start, end);
            if self.rules.merges {
                self.merge_into(&mut pane);
            } else if let Some(at) =
                self.panes.iter().position(|other| (other.key, other.start, other.end) == (event.key, start, end))
            {
                pane = self.panes.remove(at);
            }
            if self.cleanup(&pane) <= self.watermark {
                continue;
            }
            taken = true;
            pane.elements.push(event.clone());
            let (fires, purges) = self.on_element(&self.rules.when.clone(), &mut pane, event);
            self.act(&mut pane, fires, purges);
            let cleanup = self.cleanup(&pane);
            if cleanup < i64::MAX {
                self.set(cleanup, &pane);
            }
            self.panes.push(pane);
        }
        if !taken && event.at.millis().saturating_add(self.rules.lateness) <= self.watermark {
            self.late.push(event.clone());
        }
    }

    /// Joins all windows that overlap or touch this one, until none does.
    fn merge_into(&mut self, pane: &mut Pane) {
        let same =
            |other: &Pane, pane: &Pane| other.key == pane.key && other.start <= pane.start && pane.end <= other.end;
        if let Some(at) = self.panes.iter().position(|other| same(other, pane)) {
            *pane = self.panes.remove(at); // it is within: nothing merges
            return;
        }
        let (key, mut merged) = (pane.key, Vec::new());
        while let Some(at) =
            self.panes.iter().position(|other| other.key == key && other.start <= pane.end && pane.start <= other.end)
        {
            let other = self.panes.remove(at);
            self.timers.retain(|timer| (timer.1, timer.2) != (key, (other.start, other.end)));
            (pane.start, pane.end) = (pane.start.min(other.start), pane.end.max(other.end));
            merged.push(other);
        }
        if merged.is_empty() {
            return;
        }
        merged.sort_by_key(|pane| pane.start);
        for other in merged {
            pane.elements.extend(other.elements);
            pane.count += other.count;
            pane.next = pane.next.into_iter().chain(other.next).min();
        }
        let mut when = &self.rules.when;
        while let When::Purging(inner) = when {
            when = inner;
        }
        match when {
            When::EventTime if pane.max() > self.watermark => self.set(pane.max(), pane),
            When::EndOfInput if pane.max() > self.watermark => self.set(pane.max(), pane),
            When::Continuous(_) => pane.next.into_iter().for_each(|next| self.set(next, pane)),
            _ => {}
        }
    }

    fn set(&mut self, at: i64, pane: &Pane) {
        let timer = (at, pane.key, (pane.start, pane.end));
        if !self.timers.contains(&timer) {
            self.timers.push(timer);
        }
    }

    /// Whether it fires, and whether it purges.
    fn on_element(&mut self, when: &When, pane: &mut Pane, event: &Event) -> (bool, bool) {
        match when {
            When::EventTime if pane.max() <= self.watermark => (true, false),
            When::EndOfInput if pane.max() <= self.watermark => (false, false),
            When::EventTime | When::EndOfInput => {
                self.set(pane.max(), pane);
                (false, false)
            }
            When::Count(of) => {
                pane.count += 1;
                let fires = pane.count >= *of;
                if fires {
                    pane.count = 0;
                }
                (fires, false)
            }
            When::Continuous(_) if pane.max() <= self.watermark => (true, false),
            When::Continuous(interval) => {
                self.set(pane.max(), pane);
                if pane.next.is_none() {
                    let since = event.at.millis() - event.at.millis().rem_euclid(*interval);
                    self.set_next(since + interval, pane);
                }
                (false, false)
            }
            When::Delta(threshold) => {
                let fires = pane.last.is_some_and(|last| last.abs_diff(event.value) > *threshold);
                if fires || pane.last.is_none() {
                    pane.last = Some(event.value);
                }
                (fires, false)
            }
            When::Purging(when) => {
                let (fires, purges) = self.on_element(when, pane, event);
                (fires, fires || purges)
            }
        }
    }

    fn set_next(&mut self, next: i64, pane: &mut Pane) {
        pane.next = Some(next.min(pane.max()));
        self.set(next.min(pane.max()), pane);
    }

    fn on_timer(&mut self, when: &When, pane: &mut Pane, at: i64) -> (bool, bool) {
        match when {
            When::EventTime => (at == pane.max(), false),
            When::EndOfInput => (at == pane.max() && self.watermark == i64::MAX, false),
            When::Count(_) | When::Delta(_) => (false, false),
            When::Continuous(_) if at == pane.max() => (true, false),
            When::Continuous(interval) => {
                let fires = pane.next == Some(at);
                if fires {
                    self.set_next(at + interval, pane);
                }
                (fires, false)
            }
            When::Purging(when) => {
                let (fires, purges) = self.on_timer(when, pane, at);
                (fires, fires || purges)
            }
        }
    }

    fn act(&mut self, pane: &mut Pane, fires: bool, purges: bool) {
        if fires && !pane.elements.is_empty() {
            if !self.rules.evicts_after {
                self.evict(&mut pane.elements);
            }
            let values = pane.elements.iter().map(|event| event.value).collect();
            self.fired.entry((pane.key, Window::new(ms(pane.start), ms(pane.end)))).or_default().push(values);
            if self.rules.evicts_after {
                self.evict(&mut pane.elements);
            }
        }
        if purges {
            pane.elements.clear();
        }
    }

    fn evict(&self, elements: &mut Vec<Event>) {
        match self.rules.evict {
            Evict::Nothing => {}
            Evict::Count(keep) => {
                while elements.len() > keep {
                    elements.remove(0);
                }
            }
            Evict::Time(keep) => {
                let latest = elements.iter().map(|event| event.at.millis()).max().unwrap_or(0);
                elements.retain(|event| event.at.millis() > latest - keep);
            }
            Evict::Delta(threshold) => {
                let last = elements.last().map_or(0, |event| event.value);
                elements.retain(|event| event.value.abs_diff(last) < threshold);
            }
        }
    }

    fn advance(&mut self, watermark: i64) {
        if watermark <= self.watermark {
            return; // it is none: watermarks ascend
        }
        self.watermark = watermark;
        while let Some(timer) = self.timers.iter().filter(|timer| timer.0 <= self.watermark).min().copied() {
            self.timers.retain(|other| *other != timer);
            let (at, key, (start, end)) = timer;
            let place = self.panes.iter().position(|pane| (pane.key, pane.start, pane.end) == (key, start, end));
            let Some(place) = place else { continue };
            let mut pane = self.panes.remove(place);
            let (fires, purges) = self.on_timer(&self.rules.when.clone(), &mut pane, at);
            self.act(&mut pane, fires, purges);
            if at == self.cleanup(&pane) {
                self.timers.retain(|timer| (timer.1, timer.2) != (key, (start, end)));
            } else {
                self.panes.push(pane);
            }
        }
    }
}
