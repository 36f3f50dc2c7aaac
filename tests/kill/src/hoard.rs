//! [`hoard`]: a job that keeps much more state than it may have in memory, and looks at all of it again.

use std::path::PathBuf;

use millstream::prelude::*;

/// How long the text of a key is, in bytes.
const TEXT_BYTES: usize = 400;

#[derive(clap::Args)]
pub(crate) struct Extent {
    /// How many keys there are.
    #[arg(long)]
    keys: u64,
    /// The directory for what is found.
    #[arg(long)]
    output: PathBuf,
}

/// What is kept of a key: a text, and the same in a map.
#[derive(State, Default)]
struct Kept {
    times: u64,
    text: String,
    texts: MapState<u64, String>,
}

/// Keeps a text for each key, and says when it is there the second time, whether it is still the same.
#[derive(Clone)]
struct Hoard;

#[process]
impl Hoard {
    fn on_record(&mut self, key: u64, kept: &mut StateOf<Kept>, cx: &mut KeyedContext<'_, u64, String>) {
        let text = text(key);
        if kept.times == 0 {
            kept.text.clone_from(&text);
            kept.texts.insert(key, text);
        } else {
            let is_same = kept.text == text && kept.texts.get(key) == Some(&text);
            cx.emit(if is_same { "kept" } else { "lost" });
        }
        kept.times += 1;
    }
}

/// Half of it packs badly.
fn text(key: u64) -> String {
    let number = (key + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mut text = format!("{number:016x}").repeat(TEXT_BYTES / 32);
    text.extend(std::iter::repeat_n('.', TEXT_BYTES / 2));
    text
}

/// Each key comes once, and then each once more in another order.
#[job]
pub(crate) fn hoard(job: &mut Job<ExactlyOnce>, extent: Extent) {
    let keys = extent.keys;
    job.source(generate(2 * keys, 1, move |_, index| match index < keys {
        true => index,
        false => (index - keys) * 7_919 % keys,
    }))
    .key_by(|key| key)
    .process(Hoard)
    .uid("hoard")
    .sink(TextFiles::write(extent.output));
}
