//! The S3 server that tests of object stores ask: moto's, in a Python environment of its own inside of the target directory.

use crate::{
    paths,
    step::{Failed, run, succeeds},
};

/// What is installed. Another version is a change of its own.
const PACKAGE: &str = "moto[server]==5.2.5";

/// Installs the server, if it is not there. Tests find it by its place.
pub(crate) fn install() -> Result<(), Failed> {
    let place = paths::scratch("s3-server");
    let python = place.join("bin/python");
    let (place, python) = (place.display().to_string(), python.display().to_string());
    if succeeds(&python, &["-c", "import moto.server"]) {
        println!("it is in {place}");
        return Ok(());
    }
    run("python3", ["-m", "venv", &place], &[]).map_err(|failed| {
        Failed::new(format!("{failed}: Python 3 with `venv` is needed (Debian: package python3-venv)"))
    })?;
    run(&python, ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", PACKAGE], &[])
}
