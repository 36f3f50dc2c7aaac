//! Fraud by rules that change while the job runs: payments of each card are added up over minutes, and compared with limits that another stream announces, changes and withdraws.
//!
//! `cargo run --release --example changing_rules -- run` reads `examples/data/payments.csv` and `rules.csv` and writes CSV files to `target/changing_rules`.

use std::collections::BTreeMap;

use millstream::prelude::*;

/// Something was paid.
#[derive(Record)]
struct Payment {
    card: String,
    cents: u64,
    #[record(event_time)]
    at: Timestamp,
}

/// From now on a card may pay so much in so many minutes; without a limit, whatever it likes.
#[derive(Record)]
struct Rule {
    name: String,
    minutes: u64,
    limit: Option<u64>,
    #[record(event_time)]
    at: Timestamp,
}

/// What every subtask has been told: the minutes and the limit of each rule, from each time on at which it was changed.
#[derive(OperatorState, Default)]
struct Rules {
    #[state(broadcast)]
    changes: BTreeMap<(String, Timestamp), (u64, Option<u64>)>,
}

impl Rules {
    /// The minutes and limits that hold at a time, by name.
    fn at(&self, at: Timestamp) -> BTreeMap<&str, (u64, u64)> {
        let mut rules = BTreeMap::new();
        // In their order by name and time: what changes a rule comes behind it.
        for ((name, _), (minutes, limit)) in self.changes.iter().filter(|((_, from), _)| *from <= at) {
            match limit {
                Some(limit) => rules.insert(name.as_str(), (*minutes, *limit)),
                None => rules.remove(name.as_str()),
            };
        }
        rules
    }
}

/// What a card has paid, by time.
#[derive(State, Default)]
struct Card {
    paid: MapState<Timestamp, u64>,
}

/// A card has paid more than a rule allows.
#[derive(Record)]
struct Excess {
    card: String,
    at: Timestamp,
    rule: String,
    cents: u64,
    limit: u64,
}

#[derive(Clone)]
struct Judge {
    /// How long payments are remembered. No rule looks further back.
    minutes: u64,
}

#[process]
impl Judge {
    /// Is told of a rule, in every subtask.
    fn on_right(&mut self, rule: RuleView<'_>, rules: &mut Rules, _: &mut Context<'_, Excess>) {
        rules.changes.insert((rule.name.to_owned(), rule.at), (rule.minutes.min(self.minutes), rule.limit));
    }

    /// Rules are looked at when the timer fires: a payment may come before a rule that was made before it.
    fn on_left(
        &mut self,
        payment: PaymentView<'_>,
        card: &mut StateOf<Card>,
        cx: &mut KeyedContext<'_, String, Excess>,
    ) {
        *card.paid.entry(payment.at, || 0) += payment.cents;
        cx.event_timer(payment.at);
    }

    /// By now every payment and every rule up to the timer's time is here. What is later may be, too, and is passed over.
    fn on_timer(
        &mut self,
        timer: Timer,
        card: &mut StateOf<Card>,
        rules: &Rules,
        cx: &mut KeyedContext<'_, String, Excess>,
    ) {
        for (rule, (minutes, limit)) in rules.at(timer.at) {
            let recent = card.paid.range(timer.at - minutes.minutes()..=timer.at);
            let cents = recent.map(|(_, cents)| *cents).sum();
            if cents > limit {
                cx.emit(ExcessView { card: cx.key(), at: timer.at, rule, cents, limit });
            }
        }
        let oldest = timer.at - self.minutes.minutes();
        let forgotten: Vec<_> = card.paid.range(..oldest).map(|(at, _)| at).collect();
        for at in forgotten {
            card.paid.remove(at);
        }
    }
}

#[derive(Args)]
struct ChangingRulesArgs {
    /// What was paid: a CSV file, a directory or a pattern.
    #[arg(long, default_value = "examples/data/payments.csv")]
    payments: String,
    /// The rules, from when on they hold: a CSV file, a directory or a pattern.
    #[arg(long, default_value = "examples/data/rules.csv")]
    rules: String,
    /// The directory to write to; what an earlier run left there is replaced.
    #[arg(long, default_value = "target/changing_rules")]
    output: String,
}

/// Payments by which a card exceeds what the rules of that moment allow.
#[job]
fn changing_rules(job: &mut Job<ExactlyOnce>, args: ChangingRulesArgs) {
    let rules = job.source(CsvFiles::<Rule>::read(args.rules)).uid("rules").event_time(monotonous());
    let payments = job.source(CsvFiles::<Payment>::read(args.payments)).uid("payments");
    payments
        .event_time(out_of_order(5.seconds()))
        .key_by(|payment| payment.card.to_owned())
        .connect(rules.broadcast())
        .process(Judge { minutes: 60 })
        .sink(CsvFiles::write(args.output).overwrite());
}

millstream::main!();
