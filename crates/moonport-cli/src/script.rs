// SPDX-License-Identifier: MIT OR Apache-2.0
//! Runs one script to the end of everything that it opened, or to Ctrl-C.

use std::io::Write;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use moonport_lua::embed::{Error, Interpreter};

/// What shells give for a process that SIGINT ended.
const INTERRUPTED: u8 = 130;

/// How long a script that was asked to end may go on before the process is ended around it.
const PATIENCE: Duration = Duration::from_secs(2);

pub(crate) fn run(file: &Path, arguments: &[String]) -> ExitCode {
    match try_run(file, arguments) {
        Ok(code) => code,
        Err(error) => {
            // A closed stderr leaves nobody to tell.
            drop(writeln!(std::io::stderr(), "moonport: {error}"));
            ExitCode::FAILURE
        }
    }
}

fn try_run(file: &Path, arguments: &[String]) -> Result<ExitCode, Error> {
    let interpreter = Interpreter::new()?;
    let interrupter = interpreter.interrupter()?;
    let interrupted = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&interrupted);
    let watched = ctrlc::set_handler(move || {
        if flag.swap(true, Ordering::Relaxed) {
            std::process::exit(INTERRUPTED.into());
        }
        interrupter.interrupt();
        // A script that never waits cannot be asked; a second Ctrl-C is not needed to end it.
        let end = || {
            std::thread::sleep(PATIENCE);
            std::process::exit(INTERRUPTED.into());
        };
        drop(std::thread::Builder::new().name("moonport-interrupt".into()).spawn(end));
    });
    if let Err(error) = watched {
        drop(writeln!(std::io::stderr(), "moonport: Ctrl-C will end the process at once: {error}"));
    }
    let result = interpreter.run_file(file, arguments);
    drop(interpreter);
    if interrupted.load(Ordering::Relaxed) {
        return Ok(ExitCode::from(INTERRUPTED));
    }
    result.map(|()| ExitCode::SUCCESS)
}
