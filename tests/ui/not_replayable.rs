//! A source that cannot be replayed under a job that needs it.

use millstream::{prelude::*, source::*, failure::Failure};

struct Noise;
struct Splits;
struct Reader;
impl SplitEnumerator for Splits {
    type Split = u64;
    type State = ();
    async fn discover(&mut self) -> Result<Discovered<u64>, Failure> { Ok(Discovered::all(vec![0])) }
    fn state(&self) {}
    fn restore(&mut self, (): ()) -> Result<(), Failure> { Ok(()) }
}
impl SplitReader for Reader {
    type Out = u64;
    type Split = u64;
    fn open(&mut self, _: u64) -> Result<(), Failure> { Ok(()) }
    async fn fetch(&mut self) -> Result<Fetched, Failure> { Ok(Fetched::EndOfSplit) }
    fn emit<N: Push<u64>>(&mut self, _: &mut Emit<'_, u64, N>) -> Result<Emitted, Failure> { Ok(Emitted::All) }
    fn position(&self) -> u64 { 0 }
}
impl Source for Noise {
    type Out = u64;
    type Time = NoTime;
    type Split = u64;
    type Enumerator = Splits;
    type Reader = Reader;
    fn name(&self) -> String { "noise".into() }
    fn boundedness(&self) -> Boundedness { Boundedness::Bounded }
    fn enumerator(&self, _: &SourceContext) -> Result<Splits, Failure> { Ok(Splits) }
    fn reader(&self, _: &SourceContext) -> Result<Reader, Failure> { Ok(Reader) }
}

#[job]
fn exact(job: &mut Job<ExactlyOnce>) {
    job.source(Noise).sink(collect().sink());
}

fn main() {}
