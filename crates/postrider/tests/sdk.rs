//! The client that Svix publishes for Python, unchanged, against this server (`sdk/svix_sdk.py`).
#![allow(clippy::unwrap_used, clippy::panic)]

use postrider_testkit::app::{App, KEY};
use std::path::{Path, PathBuf};
use std::process::Command;

const PACKAGE: &str = "svix==2.9.1";

/// A Python that has the package, kept between runs; `None` where there is no Python at all.
fn python() -> Option<PathBuf> {
    Command::new("python3").arg("--version").output().ok().filter(|output| output.status.success())?;
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap();
    let venv = target.join("sdk-venv");
    let (python, mark) = (venv.join("bin/python"), venv.join("installed"));
    if std::fs::read_to_string(&mark).is_ok_and(|package| package == PACKAGE) {
        return Some(python);
    }
    succeed(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&venv));
    succeed(Command::new(&python).args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", PACKAGE]));
    std::fs::write(mark, PACKAGE).unwrap();
    Some(python)
}

fn succeed(command: &mut Command) {
    let output = command.output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(output.status.success(), "{command:?}\n{}{}", text(&output.stdout), text(&output.stderr));
}

#[tokio::test]
async fn the_published_client_works_unchanged() {
    let Some(python) = tokio::task::spawn_blocking(python).await.unwrap() else {
        assert!(std::env::var_os("CI").is_none(), "python3 is not installed, and the SDK must be tested here");
        println!("skipped: python3 is not installed");
        return;
    };
    let app = App::start().await;
    let url = app.url.clone();
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/sdk/svix_sdk.py");
    tokio::task::spawn_blocking(move || succeed(Command::new(python).args([script, &url, KEY]))).await.unwrap();
}
