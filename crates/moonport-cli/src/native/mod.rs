// SPDX-License-Identifier: MIT OR Apache-2.0
//! `moonport native-messaging`: a browser starts it, and what an extension sends goes to a running program over its
//! Unix socket. And the installer that tells browsers of it.

mod bridge;
mod caller;
mod client;
mod exchange;
mod frames;
mod install;
mod names;
mod stream;

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Subcommand};

use self::install::{Browser, Host};

#[derive(Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    task: Option<Task>,
    #[command(flatten)]
    socket: Socket,
    /// What the browser says about the extension: "chrome-extension://ID/", or in Firefox the manifest and the id.
    #[arg(value_name = "CALLER")]
    caller: Vec<String>,
}

#[derive(Args)]
struct Socket {
    /// The Unix socket of the program's server [default: $XDG_RUNTIME_DIR/moonport.sock].
    #[arg(long, value_name = "PATH")]
    socket: Option<PathBuf>,
}

#[derive(Args)]
struct Place {
    /// What the extension calls it: a-z, 0-9 and _, parted by dots.
    #[arg(long, value_name = "com.example.program")]
    name: String,
    /// Which browser's manifests.
    #[arg(long, value_enum, default_value = "chromium")]
    browser: Browser,
    /// Where the manifests are, if not where that browser looks by default.
    #[arg(long, value_name = "DIRECTORY")]
    directory: Option<PathBuf>,
}

#[derive(Subcommand)]
enum Task {
    /// Tell a browser, for this user, how to start it: a manifest and a launcher beside it.
    Install {
        #[command(flatten)]
        place: Place,
        /// An extension that may start it; more than once for several.
        #[arg(long, value_name = "ID", required = true)]
        extension: Vec<String>,
        #[command(flatten)]
        socket: Socket,
    },
    /// Remove what install wrote.
    Uninstall {
        #[command(flatten)]
        place: Place,
    },
}

pub(crate) fn run(arguments: Arguments) -> ExitCode {
    let result = match arguments.task {
        None => bridge(arguments.socket, &arguments.caller),
        Some(Task::Install { place, extension, socket }) => install(place, &extension, socket),
        Some(Task::Uninstall { place }) => uninstall(place),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(text) => {
            // A closed stderr leaves nobody to tell.
            drop(writeln!(io::stderr(), "moonport native-messaging: {text}"));
            ExitCode::FAILURE
        }
    }
}

fn bridge(socket: Socket, caller: &[String]) -> Result<(), String> {
    let origin = caller::origin(caller)?;
    bridge::run(exchange::Target::new(socket.path()?, origin))
}

fn install(place: Place, extensions: &[String], socket: Socket) -> Result<(), String> {
    let (host, browser) = place.host()?;
    let written = install::install(&host, browser, extensions, &socket.path()?)?;
    tell("wrote", &written)
}

fn uninstall(place: Place) -> Result<(), String> {
    tell("removed", &install::uninstall(&place.host()?.0)?)
}

fn tell(what: &str, paths: &[PathBuf]) -> Result<(), String> {
    let mut output = io::stdout().lock();
    paths
        .iter()
        .try_for_each(|path| writeln!(output, "{what} {}", path.display()))
        .map_err(|error| format!("cannot say what it {what}: {error}"))
}

impl Socket {
    fn path(self) -> Result<PathBuf, String> {
        let path = match self.socket {
            Some(path) => path,
            None => std::env::var_os("XDG_RUNTIME_DIR")
                .map(|folder| Path::new(&folder).join("moonport.sock"))
                .ok_or("expected --socket PATH, as XDG_RUNTIME_DIR is not set")?,
        };
        std::path::absolute(&path).map_err(|error| format!("--socket {path:?}: {error}"))
    }
}

impl Place {
    fn host(self) -> Result<(Host, Browser), String> {
        names::check(&self.name)?;
        let directory = match self.directory {
            Some(directory) => directory,
            None => self.browser.directory().ok_or("expected --directory DIRECTORY, as HOME is not set")?,
        };
        let directory = std::path::absolute(&directory).map_err(|error| format!("{directory:?}: {error}"))?;
        Ok((Host { name: self.name, directory }, self.browser))
    }
}
