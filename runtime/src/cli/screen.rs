//! [`Screen`]: standard error, shared by progress, messages and logs of all threads, so that none of them tears another.

use std::{
    io::{self, Write},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tracing_subscriber::fmt::MakeWriter;

/// Back to the beginning of the line, and nothing from there on.
const ERASE: &str = "\r\x1b[J";

/// Where messages go, with lines of progress that are redrawn in place below them. Clones are the same screen.
#[derive(Clone)]
pub struct Screen(Arc<Mutex<State>>);

struct State {
    to: Box<dyn Write + Send>,
    /// Lines of progress are shown. The cursor stands above them, so that nothing has to be known of how a terminal wraps lines when its size
    /// changes, and what a job itself prints there takes none of its own lines away.
    drawn: bool,
}

impl Screen {
    /// A screen that writes to `to`.
    pub fn new(to: impl Write + Send + 'static) -> Self {
        Self(Arc::new(Mutex::new(State { to: Box::new(to), drawn: false })))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes text that stays, in place of the lines of progress: they come again when they are drawn next.
    pub(super) fn note(&self, text: &str) {
        let _ = self.lock().write(text.as_bytes()); // a failure to write could be told to nobody
    }

    /// Draws lines of progress, each shorter than the terminal is wide, in place of those before.
    pub(super) fn draw(&self, lines: &[String]) {
        let mut text = ERASE.to_owned();
        for line in lines {
            text.push('\n');
            text.push_str(line);
        }
        text.push_str(&format!("\r\x1b[{}A", lines.len().max(1)));
        let mut state = self.lock();
        state.drawn = true;
        let _ = state.to.write_all(text.as_bytes()).and_then(|()| state.to.flush());
    }

    /// Takes the lines of progress away.
    pub(super) fn clear(&self) {
        let _ = self.lock().write(b"");
    }
}

impl State {
    fn write(&mut self, text: &[u8]) -> io::Result<()> {
        if std::mem::take(&mut self.drawn) {
            self.to.write_all(ERASE.as_bytes())?;
        }
        self.to.write_all(text)?;
        self.to.flush()
    }
}

/// Each call writes whole lines.
impl Write for &Screen {
    fn write(&mut self, text: &[u8]) -> io::Result<usize> {
        self.lock().write(text)?;
        Ok(text.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.lock().to.flush()
    }
}

/// Logs are written an event at a time.
impl<'a> MakeWriter<'a> for Screen {
    type Writer = &'a Screen;

    fn make_writer(&'a self) -> &'a Screen {
        self
    }
}

/// How wide and high the terminal at standard error is, in characters.
pub(super) fn terminal_size() -> (usize, usize) {
    // What terminals were when nobody could ask them.
    let (rows, columns) = console::Term::stderr().size_checked().unwrap_or((24, 80));
    (columns.into(), rows.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Clone, Default)]
    struct Caught(Arc<Mutex<Vec<u8>>>);

    impl Write for Caught {
        fn write(&mut self, text: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap_or_else(PoisonError::into_inner).extend(text);
            Ok(text.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn messages_take_the_place_of_progress() {
        let caught = Caught::default();
        let screen = Screen::new(caught.clone());
        screen.note("a\n");
        screen.draw(&["one".into(), "two".into()]);
        screen.note("b\n");
        screen.note("c\n");
        screen.draw(&["three".into()]);
        screen.clear();
        screen.clear();
        let text = String::from_utf8(caught.0.lock().unwrap_or_else(PoisonError::into_inner).clone());
        assert_eq!(text.as_deref(), Ok("a\n\r\x1b[J\none\ntwo\r\x1b[2A\r\x1b[Jb\nc\n\r\x1b[J\nthree\r\x1b[1A\r\x1b[J"));
    }
}
