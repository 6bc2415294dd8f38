// SPDX-License-Identifier: MIT OR Apache-2.0
//! A Rust program that embeds LuaJIT through mlua. Lua makes the ports; a thread and some tokio tasks send to them, and a
//! task asks a question. Run it with `cargo run`.

#![allow(clippy::disallowed_macros, reason = "a program prints")]

use std::error::Error;
use std::thread::Builder;
use std::time::Duration;

use mlua::Lua;
use moonport_core::{Encoding, Payload, SendError, registry};

const SCRIPT: &str = r#"
local moonport = require("moonport")

local readings = assert(moonport.port({ name = "readings" }))
local questions = assert(moonport.port({ name = "questions", codec = "json" }))

local sum, count = 0, 0
readings:on(function(value, message)
  sum, count = sum + tonumber(value), count + 1
end)

questions:on(function(question, message)
  message.reply({ question = question, count = count, mean = sum / count })
end)

return moonport
"#;

type Failure = Box<dyn Error + Send + Sync>;

fn main() -> Result<(), Box<dyn Error>> {
    let lua = Lua::new();
    // The module is part of this program: require finds it among the preloaded ones.
    // SAFETY: luaopen_moonport is a C function for the Lua that mlua has built in.
    let open = unsafe { lua.create_c_function(moonport_lua::luaopen_moonport)? };
    lua.preload_module("moonport", open)?;
    let moonport: mlua::Table = lua.load(SCRIPT).set_name("=script").eval()?;

    let thread = Builder::new().name("sensor".into()).spawn(sensor)?;
    let tasks = Builder::new().name("tasks".into()).spawn(|| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
        runtime.block_on(tasks())
    })?;

    // Lua runs here, woken by the messages; it ends when both have finished and asked.
    let step: mlua::Function = moonport.get("step")?;
    while !(thread.is_finished() && tasks.is_finished()) {
        step.call::<i64>(0.1)?;
    }
    thread.join().map_err(|_| "the sensor panicked")??;
    let answer = tasks.join().map_err(|_| "the tasks panicked")?;
    println!("{}", answer.map_err(|failure| failure as Box<dyn Error>)?);
    moonport.get::<mlua::Function>("shutdown")?.call::<()>(())?;
    Ok(())
}

/// A thread of its own: a hundred readings.
fn sensor() -> Result<(), SendError> {
    let readings = registry::find_name("readings").ok_or(SendError::Closed)?;
    for i in 1..=100 {
        readings.send(Payload::raw(i.to_string().as_bytes()), 0)?;
    }
    Ok(())
}

/// Tasks of an async runtime: sending never blocks them, and an answer is a future.
async fn tasks() -> Result<String, Failure> {
    let readings = registry::find_name("readings").ok_or("no port for readings")?;
    for i in 101..=200 {
        readings.send(Payload::raw(i.to_string().as_bytes()), 0)?;
        tokio::time::sleep(Duration::from_micros(100)).await;
    }
    let questions = registry::find_name("questions").ok_or("no port for questions")?;
    let question = Payload::json(br#"{"what":"mean"}"#);
    let answer = questions.begin_call(question, 0, Encoding::Json, Duration::from_secs(5))?;
    match answer.await.ok_or("nobody answers")?? {
        Payload::Bytes { bytes, .. } => Ok(String::from_utf8(bytes.to_vec())?),
        other => Err(format!("an answer of another kind: {other:?}").into()),
    }
}
