// SPDX-License-Identifier: MIT OR Apache-2.0
//! The manifest by which a browser finds the bridge, and a launcher beside it: a manifest has a path and no arguments.

use std::fs::{self, Permissions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};

use clap::ValueEnum;
use serde::{Deserialize, Serialize};

use super::names;

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Browser {
    Chromium,
    Chrome,
    Firefox,
}

impl Browser {
    /// Where it looks for the manifests of this user; `None` without a home.
    pub(super) fn directory(self) -> Option<PathBuf> {
        let home = std::env::home_dir()?;
        let config = std::env::var_os("XDG_CONFIG_HOME").map_or_else(|| home.join(".config"), PathBuf::from);
        Some(match self {
            Self::Chromium => config.join("chromium/NativeMessagingHosts"),
            Self::Chrome => config.join("google-chrome/NativeMessagingHosts"),
            Self::Firefox => home.join(".mozilla/native-messaging-hosts"),
        })
    }
}

/// A name, and the directory that has or will have its files.
pub(super) struct Host {
    pub(super) name: String,
    pub(super) directory: PathBuf,
}

#[derive(Serialize)]
struct Manifest<'a> {
    name: &'a str,
    description: String,
    path: &'a str,
    r#type: &'static str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    allowed_origins: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    allowed_extensions: Vec<String>,
}

/// What tells whose manifest it is.
#[derive(Deserialize)]
struct Found {
    path: PathBuf,
}

/// Writes both files, over older ones of ours, and says which.
pub(super) fn install(
    host: &Host,
    browser: Browser,
    extensions: &[String],
    socket: &Path,
) -> Result<[PathBuf; 2], String> {
    let allowed = extensions.iter().map(|id| names::allowed(browser, id)).collect::<Result<Vec<_>, _>>()?;
    let (manifest, launcher) = (host.manifest(), host.launcher());
    host.is_installed()?;
    let program = std::env::current_exe().map_err(|error| format!("cannot tell where this program is: {error}"))?;
    let script = format!(
        "#!/bin/sh\n# Written by moonport native-messaging install.\nexec {} native-messaging --socket {} -- \"$@\"\n",
        quoted(&program)?,
        quoted(socket)?
    );
    let (allowed_origins, allowed_extensions) =
        if browser == Browser::Firefox { (Vec::new(), allowed) } else { (allowed, Vec::new()) };
    let text = serde_json::to_string_pretty(&Manifest {
        name: &host.name,
        description: format!("Messages for the program at {}", text(socket)?),
        path: text(&launcher)?,
        r#type: "stdio",
        allowed_origins,
        allowed_extensions,
    });
    let text = text.map_err(|error| error.to_string())? + "\n";
    make(&host.directory).map_err(|error| format!("cannot make {}: {error}", host.directory.display()))?;
    // The launcher first: a manifest never names what is not there.
    for (path, text, mode) in [(&launcher, &script, 0o700), (&manifest, &text, 0o600)] {
        write(path, text, mode).map_err(|error| format!("cannot write {}: {error}", path.display()))?;
    }
    Ok([manifest, launcher])
}

/// Removes both files, and says which.
pub(super) fn uninstall(host: &Host) -> Result<[PathBuf; 2], String> {
    let (manifest, launcher) = (host.manifest(), host.launcher());
    if !host.is_installed()? {
        return Err(format!("nothing is installed as {}: {} is not there", host.name, manifest.display()));
    }
    for path in [&manifest, &launcher] {
        match fs::remove_file(path) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                return Err(format!("cannot remove {}: {error}", path.display()));
            }
            _ => {}
        }
    }
    Ok([manifest, launcher])
}

impl Host {
    fn manifest(&self) -> PathBuf {
        self.directory.join(format!("{}.json", self.name))
    }

    fn launcher(&self) -> PathBuf {
        self.directory.join(format!("{}.sh", self.name))
    }

    /// Is there a manifest of ours? One of somebody else's is an error: it is not ours to touch.
    fn is_installed(&self) -> Result<bool, String> {
        let path = self.manifest();
        let text = match fs::read(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(false),
            Err(error) => return Err(format!("cannot read {}: {error}", path.display())),
        };
        let found: Option<Found> = serde_json::from_slice(&text).ok();
        if found.is_some_and(|found| found.path == self.launcher()) {
            return Ok(true);
        }
        Err(format!("{} was not written by moonport: remove it yourself, or take another name", path.display()))
    }
}

/// A path as one word of sh(1), where nothing but a quote ends what a quote began.
fn quoted(path: &Path) -> Result<String, String> {
    Ok(format!("'{}'", text(path)?.replace('\'', r"'\''")))
}

fn text(path: &Path) -> Result<&str, String> {
    path.to_str().ok_or_else(|| format!("expected a path in UTF-8, got {path:?}"))
}

fn make(directory: &Path) -> io::Result<()> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(directory)
}

/// All or nothing: a browser that looks meanwhile finds the old file or the new one.
fn write(path: &Path, text: &str, mode: u32) -> io::Result<()> {
    let directory = path.parent().ok_or(ErrorKind::InvalidInput)?;
    let mut file = tempfile::Builder::new().permissions(Permissions::from_mode(mode)).tempfile_in(directory)?;
    file.write_all(text.as_bytes())?;
    file.persist(path)?;
    Ok(())
}
