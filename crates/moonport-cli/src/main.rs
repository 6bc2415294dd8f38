// SPDX-License-Identifier: MIT OR Apache-2.0
//! `moonport run`, `demo`, `bench` and `native-messaging`: LuaJIT with Moonport built in.

#![forbid(unsafe_code)]

mod bench;
mod demo;
mod files;
#[cfg(unix)]
mod native;
mod script;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Any thread may send; one thread runs Lua.
#[derive(Parser)]
#[command(name = "moonport", version, arg_required_else_help = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run a Lua script, and go on while a port, a server or a timer of it is open.
    ///
    /// require "moonport" is built in. An error prints its traceback and exits with 1, Ctrl-C with 130.
    #[command(override_usage = "moonport run FILE [ARG]...")]
    Run {
        /// The Lua file, and what it finds in ... and arg.
        #[arg(required = true, num_args = 1.., trailing_var_arg = true, allow_hyphen_values = true)]
        #[arg(value_name = "FILE")]
        script: Vec<String>,
    },
    /// Serve a page on which a browser talks to a Lua program.
    ///
    /// The first line that is printed is the address to open.
    Demo {
        /// Where to listen; port 0 picks one.
        #[arg(long, default_value = "127.0.0.1:8787")]
        address: String,
        /// Speak https, with a certificate that is made at the start and that browsers warn of.
        #[arg(long)]
        tls: bool,
    },
    /// Measure Moonport beside its alternatives on this machine; all benchmarks, or those that are named.
    ///
    /// It compiles small C programs with cc, and needs nothing else; what is missing to compare with is left out.
    Bench {
        /// Which ones.
        #[arg(value_parser = bench::NAMES, value_name = "NAME")]
        names: Vec<String>,
        /// Write what was measured as JSON.
        #[arg(long, value_name = "FILE")]
        json: Option<PathBuf>,
        /// Write one page to look at, with charts.
        #[arg(long, value_name = "FILE")]
        html: Option<PathBuf>,
        /// Write the charts alone, as SVG files.
        #[arg(long, value_name = "FOLDER")]
        plots: Option<PathBuf>,
    },
    /// Bridge a browser's extension to a running program, over stdin and stdout; the browser starts it.
    ///
    /// Each message is one request to the program's server on a Unix socket: docs/webext.md.
    #[cfg(unix)]
    NativeMessaging(native::Arguments),
}

fn main() -> ExitCode {
    match Arguments::parse().command {
        Command::Run { script } => match script.split_first() {
            Some((file, arguments)) => script::run(file.as_ref(), arguments),
            None => ExitCode::FAILURE,
        },
        Command::Demo { address, tls } => demo::run(&address, tls),
        Command::Bench { names, json, html, plots } => {
            bench::run(&names, [json.as_deref(), html.as_deref(), plots.as_deref()])
        }
        #[cfg(unix)]
        Command::NativeMessaging(arguments) => native::run(arguments),
    }
}
