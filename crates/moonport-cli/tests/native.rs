// SPDX-License-Identifier: MIT OR Apache-2.0
//! What `moonport native-messaging install` writes, and that it works; the messages are in tests/lua-http.
#![cfg(unix)]
#![allow(clippy::expect_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;

const ID: &str = "abcdefghijklmnopabcdefghijklmnop";
const NAME: &str = "com.example.program";

struct Home(tempfile::TempDir);

impl Home {
    fn new() -> Self {
        Self(tempfile::tempdir().expect("a folder"))
    }

    fn path(&self, path: &str) -> PathBuf {
        self.0.path().join(path)
    }

    fn run(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_moonport"));
        command.arg("native-messaging").args(arguments).env("HOME", self.0.path());
        command.env_remove("XDG_CONFIG_HOME").env_remove("XDG_RUNTIME_DIR").stdin(Stdio::null());
        command.output().expect("it runs")
    }

    fn ok(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        assert!(output.status.success(), "{arguments:?}: {}", stderr(&output));
        String::from_utf8(output.stdout).expect("UTF-8")
    }

    fn refused(&self, arguments: &[&str], why: &str) {
        let output = self.run(arguments);
        assert!(!output.status.success(), "{arguments:?}");
        assert!(stderr(&output).contains(why), "{arguments:?}: {}", stderr(&output));
        assert!(output.stdout.is_empty(), "{arguments:?}");
    }

    fn is_empty(&self) -> bool {
        fs::read_dir(self.0.path()).expect("a folder").next().is_none()
    }
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn json(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).expect("a file")).expect("JSON")
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).expect("a file").permissions().mode() & 0o777
}

/// Starts what a manifest names, as a browser does, and gives its answer to one message.
fn ask(manifest: &Path, message: &str) -> Value {
    let path = json(manifest)["path"].as_str().expect("a path").to_owned();
    let mut child = Command::new(path)
        .arg(format!("chrome-extension://{ID}/"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("it starts");
    let mut input = child.stdin.take().expect("a pipe");
    let length = u32::try_from(message.len()).expect("a short message");
    input.write_all(&length.to_ne_bytes()).expect("written");
    input.write_all(message.as_bytes()).expect("written");
    drop(input);
    let output = child.wait_with_output().expect("it ends");
    assert!(output.status.success());
    let (length, answer) = output.stdout.split_at(4);
    assert_eq!(length, u32::try_from(answer.len()).expect("short").to_ne_bytes());
    serde_json::from_slice(answer).expect("JSON")
}

#[test]
fn what_it_installs_is_what_a_browser_starts() {
    let home = Home::new();
    let socket = home.path("it's \"$HOME\" `id` \\ é\n;*");
    let arguments = ["--name", NAME, "--extension", ID, "--socket", socket.to_str().expect("UTF-8")];
    let told = home.ok(&[&["install"], &arguments[..]].concat());
    let folder = home.path(".config/chromium/NativeMessagingHosts");
    let (manifest, launcher) = (folder.join(format!("{NAME}.json")), folder.join(format!("{NAME}.sh")));
    assert_eq!(told, format!("wrote {}\nwrote {}\n", manifest.display(), launcher.display()));
    assert_eq!((mode(&manifest), mode(&launcher), mode(&folder)), (0o600, 0o700, 0o700));

    let written = json(&manifest);
    assert_eq!((&written["name"], &written["type"]), (&NAME.into(), &"stdio".into()));
    assert_eq!(written["path"], launcher.to_str().expect("UTF-8"));
    assert_eq!(written["allowed_origins"], serde_json::json!([format!("chrome-extension://{ID}/")]));
    assert!(written.get("allowed_extensions").is_none());

    let answer = ask(&manifest, r#"{"id":1,"path":"/"}"#);
    let error = format!("the program is not running: nothing listens on {}", socket.display());
    assert_eq!(answer, serde_json::json!({"id": 1, "error": error, "name": "not_running"}));

    // Again, for two extensions: the old files are ours.
    let other = ID.replace('a', "b");
    home.ok(&[&["install", "--extension", &other], &arguments[..]].concat());
    assert_eq!(json(&manifest)["allowed_origins"].as_array().map(Vec::len), Some(2));
    assert_eq!(fs::read_dir(&folder).expect("a folder").count(), 2);
}

#[test]
fn each_browser_has_its_place() {
    let home = Home::new();
    let install = ["install", "--socket", "/s", "--name", NAME];
    home.ok(&[&install[..], &["--browser", "chrome", "--extension", ID]].concat());
    assert!(home.path(&format!(".config/google-chrome/NativeMessagingHosts/{NAME}.json")).exists());

    home.ok(&[&install[..], &["--browser", "firefox", "--extension", "notes@example.org"]].concat());
    let written = json(&home.path(&format!(".mozilla/native-messaging-hosts/{NAME}.json")));
    assert_eq!(written["allowed_extensions"], serde_json::json!(["notes@example.org"]));
    assert!(written.get("allowed_origins").is_none());

    let directory = home.path("profile/NativeMessagingHosts");
    let directory = directory.to_str().expect("UTF-8");
    home.ok(&[&install[..], &["--directory", directory, "--extension", ID]].concat());
    assert!(home.path(&format!("profile/NativeMessagingHosts/{NAME}.json")).exists());
}

#[test]
fn what_cannot_be_installed_leaves_nothing() {
    let home = Home::new();
    let install = |name: &str, id: &str, browser: &str, why: &str| {
        let arguments = ["install", "--socket", "/s", "--name", name, "--extension", id, "--browser", browser];
        home.refused(&arguments, why);
    };
    for name in ["", "../evil", "A", "a..b", "a/b", "a\nb"] {
        install(name, ID, "chromium", &format!("{name:?}"));
    }
    for id in ["", "*", "abc", "notes@example.org"] {
        install(NAME, id, "chrome", "32 letters a-p");
    }
    install(NAME, ID, "firefox", "notes@example.org");
    install(NAME, ID, "netscape", "netscape");
    home.refused(&["install", "--socket", "/s", "--name", NAME], "--extension");
    home.refused(&["install", "--name", NAME, "--extension", ID], "XDG_RUNTIME_DIR is not set");
    home.refused(&[], "XDG_RUNTIME_DIR is not set");
    assert!(home.is_empty());
}

#[test]
fn uninstall_removes_what_is_ours_and_nothing_else() {
    let home = Home::new();
    let uninstall = ["uninstall", "--name", NAME];
    let install = ["install", "--socket", "/s", "--name", NAME, "--extension", ID];
    home.refused(&uninstall, &format!("nothing is installed as {NAME}"));
    home.ok(&install);
    let folder = home.path(".config/chromium/NativeMessagingHosts");
    let told = home.ok(&uninstall);
    assert_eq!(told.lines().count(), 2);
    assert!(told.lines().all(|line| line.starts_with("removed ")), "{told}");
    assert!(fs::read_dir(&folder).expect("a folder").next().is_none());
    home.refused(&uninstall, "nothing is installed");

    let manifest = folder.join(format!("{NAME}.json"));
    for theirs in [r#"{"name": "com.example.program", "path": "/usr/bin/theirs"}"#, "{", "[]"] {
        fs::write(&manifest, theirs).expect("written");
        home.refused(&uninstall, "was not written by moonport");
        home.refused(&install, "was not written by moonport");
        assert_eq!(fs::read_to_string(&manifest).expect("a file"), theirs);
    }
}
