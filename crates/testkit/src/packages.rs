//! Packages of other languages that tests run: clients, libraries of receivers, a browser's driver.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Where packages are kept between runs: a directory of this name beside what cargo builds.
pub fn kept(name: &str) -> PathBuf {
    let test = std::env::current_exe().unwrap();
    // target/debug/deps/TEST
    test.ancestors().nth(3).unwrap().join(name)
}

/// The library that gives a process another clock; in CI there must be one.
pub fn faketime() -> Option<String> {
    if !is_there("faketime") {
        return None;
    }
    let dirs = std::fs::read_dir("/usr/lib").into_iter().flatten().flatten();
    let library = dirs.map(|dir| dir.path().join("faketime/libfaketimeMT.so.1")).find(|path| path.exists());
    library.map(|path| path.to_string_lossy().into_owned())
}

/// Whether there is such a program; in CI there must be.
fn is_there(program: &str) -> bool {
    let is_there = Command::new(program).arg("--version").output().is_ok_and(|output| output.status.success());
    if !is_there {
        assert!(std::env::var_os("CI").is_none(), "{program} is not installed, and what it runs must be tested here");
        println!("skipped: {program} is not installed");
    }
    is_there
}

/// What `program` needs, installed once; false where there is no such program, which in CI is a failure.
pub fn installed(program: &str, dir: &Path, packages: &str, install: impl FnOnce()) -> bool {
    if !is_there(program) {
        return false;
    }
    let mark = dir.join("installed");
    if !std::fs::read_to_string(&mark).is_ok_and(|kept| kept == packages) {
        install();
        std::fs::write(mark, packages).unwrap();
    }
    true
}

/// A Python that has these packages; `None` where there is no Python.
pub fn python(dir: &str, packages: &[&str]) -> Option<PathBuf> {
    let venv = kept(dir);
    let python = venv.join("bin/python");
    let install = || {
        succeed(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&venv));
        let pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check"];
        succeed(Command::new(&python).args(pip).args(packages));
    };
    installed("python3", &venv, &packages.join(" "), install).then_some(python)
}

/// A directory whose `node_modules` has these packages; `None` where there is no Node.
pub fn node(dir: &str, packages: &[&str]) -> Option<PathBuf> {
    let dir = kept(dir);
    let install = || {
        std::fs::create_dir_all(&dir).unwrap();
        std::fs::write(dir.join("package.json"), "{}").unwrap();
        let npm = ["install", "--no-audit", "--no-fund", "--loglevel=error"];
        succeed(Command::new("npm").args(npm).args(packages).current_dir(&dir));
    };
    installed("node", &dir, &packages.join(" "), install).then_some(dir)
}

/// Runs it to its end, which must be a good one.
pub fn succeed(command: &mut Command) {
    let output = command.output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(output.status.success(), "{command:?}\n{}{}", text(&output.stdout), text(&output.stderr));
}

/// What a script says of these lines.
pub fn says(command: &mut Command, lines: &str) -> String {
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut input = child.stdin.take().unwrap();
    // Beside the reading, as it may say more than a pipe holds before it has read everything.
    let output = std::thread::scope(|scope| {
        scope.spawn(move || input.write_all(lines.as_bytes()));
        child.wait_with_output().unwrap()
    });
    assert!(output.status.success(), "{command:?}\n{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}
