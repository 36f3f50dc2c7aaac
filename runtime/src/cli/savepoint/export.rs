//! `savepoint export`: the entries of states, whatever their types are, as lines of JSON or as a table.

use std::collections::BTreeSet;

use millstream_core::dynamic::Value;
use millstream_state::{manifest::Manifest, snapshot::Namespace, store::CheckpointStore};
use serde_json::{Map, Value as Json, json};

use crate::{attempt::savepoint::in_place, cli::Console, failure::Failure, settings::Location};

/// So much is gathered before it is written, in bytes.
const CHUNK_BYTES: usize = 64 << 10;

/// What is put out.
pub(super) struct Wanted {
    pub(super) operator: Option<String>,
    pub(super) state: Option<String>,
    pub(super) as_table: bool,
}

/// An entry of a state.
struct Entry<'e> {
    operator: &'e str,
    state: &'e str,
    /// Of a state by key.
    key: Option<&'e Value<'e>>,
    window: Option<String>,
    /// Of values that subtasks keep for themselves.
    subtask: Option<u32>,
    value: &'e Value<'e>,
}

/// Writes entries in a form.
trait Form {
    fn write(&mut self, entry: &Entry<'_>, out: &mut Vec<u8>) -> Result<(), String>;
}

impl Wanted {
    fn takes(&self, operator: &str, state: &str) -> bool {
        self.operator.as_deref().is_none_or(|wanted| wanted == operator)
            && self.state.as_deref().is_none_or(|wanted| wanted == state)
    }
}

/// Writes the entries of the states that are wanted, each operator's keyed states first.
pub(super) async fn export(
    place: &Location,
    (store, manifest): &(CheckpointStore, Manifest),
    wanted: &Wanted,
    console: &mut Console<'_>,
) -> Result<(), Failure> {
    let keyed = |operator: &millstream_state::manifest::OperatorState| {
        operator.keyed.iter().map(|part| part.state.clone()).collect::<BTreeSet<_>>()
    };
    let states = manifest.operators.iter().flat_map(|operator| {
        let values = operator.values.iter().map(|part| part.state.clone());
        let all: BTreeSet<_> = keyed(operator).into_iter().chain(values).collect();
        all.into_iter().map(|state| (operator.id.clone(), state))
    });
    let states: Vec<_> = states.filter(|(operator, state)| wanted.takes(operator, state)).collect();
    let known = || states.iter().map(|(operator, state)| format!("`{state}` of `{operator}`")).collect::<Vec<_>>();
    match &states[..] {
        [] => {
            return Err(
                Failure::new("the savepoint has no such state").with_hint("`savepoint inspect` shows what it has")
            );
        }
        [_] => {}
        _ if wanted.as_table => {
            let what = "a table has the entries of one state: say which one by --operator and --state";
            return Err(Failure::new(what).with_hint(format!("there are {}", known().join(", "))));
        }
        _ => {}
    }
    let mut form: Box<dyn Form> = if wanted.as_table { Box::new(Table { has_header: false }) } else { Box::new(Lines) };
    let mut out = Vec::new();
    for operator in &manifest.operators {
        for part in operator.keyed.iter().filter(|part| wanted.takes(&operator.id, &part.state)) {
            let mut result = Ok(());
            let each = |Namespace(window): Namespace, key: &Value<'_>, value: &Value<'_>| {
                let (operator, state, window) = (&*operator.id, &*part.state, window.map(|window| window.to_string()));
                let entry = Entry { operator, state, key: Some(key), window, subtask: None, value };
                if result.is_ok() {
                    result = form.write(&entry, &mut out);
                }
                drain(&mut out, CHUNK_BYTES, console);
            };
            store.read_values(part, each).await.map_err(|error| in_place(place, error))?;
            result.map_err(Failure::new)?;
        }
        for part in operator.values.iter().filter(|part| wanted.takes(&operator.id, &part.state)) {
            let unknown = || {
                Failure::new(format!(
                    "state `{}` of operator `{}` does not say what its values are made of",
                    part.state, operator.id
                ))
            };
            let schema = part.schema_name().schema().ok_or_else(unknown)?;
            let mut result = Ok(());
            let read = part.read_values(&schema, |value| {
                let (operator, state, subtask) = (&*operator.id, &*part.state, Some(part.subtask));
                let entry = Entry { operator, state, key: None, window: None, subtask, value: &value };
                if result.is_ok() {
                    result = form.write(&entry, &mut out);
                }
            });
            read.map_err(|error| in_place(place, error))?;
            result.map_err(Failure::new)?;
            drain(&mut out, CHUNK_BYTES, console);
        }
    }
    drain(&mut out, 0, console);
    Ok(())
}

/// Writes what is gathered, if it is more than this.
fn drain(out: &mut Vec<u8>, above: usize, console: &mut Console<'_>) {
    if out.len() > above {
        console.say(&String::from_utf8_lossy(out));
        out.clear();
    }
}

/// An object a line: `operator`, `state`, `key` and, in windows, `window`, or else `subtask`; and `value`.
struct Lines;

impl Form for Lines {
    fn write(&mut self, entry: &Entry<'_>, out: &mut Vec<u8>) -> Result<(), String> {
        let mut object = Map::new();
        let mut put = |name: &str, value: Json| object.insert(name.to_owned(), value);
        put("operator", json!(entry.operator));
        put("state", json!(entry.state));
        if let Some(subtask) = entry.subtask {
            put("subtask", json!(subtask));
        }
        if let Some(window) = &entry.window {
            put("window", json!(window));
        }
        if let Some(key) = entry.key {
            put("key", as_json(key)?);
        }
        put("value", as_json(entry.value)?);
        out.extend(Json::Object(object).to_string().as_bytes());
        out.push(b'\n');
        Ok(())
    }
}

/// A table with a column for each field of the key and of the value. What has parts of its own is there as JSON.
struct Table {
    has_header: bool,
}

impl Form for Table {
    fn write(&mut self, entry: &Entry<'_>, out: &mut Vec<u8>) -> Result<(), String> {
        let mut columns = Vec::new();
        if let Some(subtask) = entry.subtask {
            columns.push(("subtask".to_owned(), subtask.to_string()));
        }
        if let Some(window) = &entry.window {
            columns.push(("window".to_owned(), window.clone()));
        }
        if let Some(key) = entry.key {
            spread("key", key, &mut columns)?;
        }
        spread("value", entry.value, &mut columns)?;
        let mut writer = csv::WriterBuilder::new().from_writer(Vec::new());
        let failed = |error: csv::Error| format!("a row of the table cannot be written: {error}");
        if !std::mem::replace(&mut self.has_header, true) {
            writer.write_record(columns.iter().map(|(name, _)| name)).map_err(failed)?;
        }
        writer.write_record(columns.iter().map(|(_, cell)| cell)).map_err(failed)?;
        out.extend(writer.into_inner().map_err(|error| error.to_string())?);
        Ok(())
    }
}

/// The columns of a value: its fields, or the parts of a tuple, or itself.
fn spread(name: &str, value: &Value<'_>, columns: &mut Vec<(String, String)>) -> Result<(), String> {
    let mut cell = Vec::new();
    if value.write_cell(&mut cell) {
        columns.push((name.to_owned(), String::from_utf8_lossy(&cell).into_owned()));
        return Ok(());
    }
    if let (Value::Struct(..), Some(fields)) = (value, value.fields()) {
        let inner = |field: &str| if name == "value" { field.to_owned() } else { format!("{name}.{field}") };
        return fields.into_iter().try_for_each(|(field, value)| one(inner(field), value, columns));
    }
    if let Value::Tuple(parts) = value {
        return parts.iter().enumerate().try_for_each(|(i, part)| one(format!("{name}.{i}"), part, columns));
    }
    one(name.to_owned(), value, columns)
}

fn one(name: String, value: &Value<'_>, columns: &mut Vec<(String, String)>) -> Result<(), String> {
    let mut cell = Vec::new();
    let text = match value.write_cell(&mut cell) {
        true => String::from_utf8_lossy(&cell).into_owned(),
        false => as_json(value)?.to_string(),
    };
    columns.push((name, text));
    Ok(())
}

fn as_json(value: &Value<'_>) -> Result<Json, String> {
    serde_json::to_value(value).map_err(|error| format!("a value cannot be shown as JSON: {error}"))
}
