// SPDX-License-Identifier: MIT OR Apache-2.0
//! `moonport run` and `moonport demo`: LuaJIT with Moonport built in.

#![forbid(unsafe_code)]

mod demo;
mod script;

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
    },
}

fn main() -> ExitCode {
    match Arguments::parse().command {
        Command::Run { script } => match script.split_first() {
            Some((file, arguments)) => script::run(file.as_ref(), arguments),
            None => ExitCode::FAILURE,
        },
        Command::Demo { address } => demo::run(&address),
    }
}
