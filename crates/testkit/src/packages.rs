//! Packages of other languages that tests run: clients, libraries of receivers, a browser's driver.

use crate::skip::skip;
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The file that says which packages were installed.
const MARK: &str = "installed";

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
    if library.is_none() {
        skip("/usr/lib/*/faketime/libfaketimeMT.so.1 is not there");
    }
    library.map(|path| path.to_string_lossy().into_owned())
}

/// Whether there is such a program; in CI there must be.
fn is_there(program: &str) -> bool {
    let is_there = Command::new(program).arg("--version").output().is_ok_and(|output| output.status.success());
    if !is_there {
        skip(&format!("{program} is not installed"));
    }
    is_there
}

/// What `program` needs, installed once; false where there is no such program, which in CI is a failure.
pub fn installed(program: &str, dir: &Path, packages: &str, install: impl FnOnce()) -> bool {
    if !is_there(program) {
        return false;
    }
    let mark = dir.join(MARK);
    if !std::fs::read_to_string(&mark).is_ok_and(|kept| kept == packages) {
        install();
        std::fs::write(mark, packages).unwrap();
    }
    true
}

/// Held while packages are installed or checked, so that tests of the same environment wait for one another.
fn locked(dir: &str) -> File {
    let path = kept(&format!("{dir}.lock"));
    let file = File::create(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    file.lock().unwrap();
    file
}

/// Fails unless every file of every package is there and has the size that it was installed with.
const IS_WHOLE: &str = "
import importlib.metadata, sys
for package in importlib.metadata.distributions():
    for file in package.files or [sys.exit(f'{package.name} has no list of files')]:
        if file.size is not None and file.locate().stat().st_size != file.size:
            sys.exit(f'{file} was changed')
";

/// A Python that has these packages; `None` where there is no Python. An environment that is damaged is made again.
pub fn python(dir: &str, packages: &[&str]) -> Option<PathBuf> {
    let _lock = locked(dir);
    let venv = kept(dir);
    let python = venv.join("bin/python");
    if !Command::new(&python).args(["-c", IS_WHOLE]).output().is_ok_and(|output| output.status.success()) {
        let _ = std::fs::remove_file(venv.join(MARK));
    }
    let install = || {
        succeed(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&venv));
        let pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check"];
        if !packages.is_empty() {
            succeed(Command::new(&python).args(pip).args(packages));
        }
    };
    installed("python3", &venv, &packages.join(" "), install).then_some(python)
}

/// A directory whose `node_modules` has these packages; `None` where there is no Node.
pub fn node(dir: &str, packages: &[&str]) -> Option<PathBuf> {
    let _lock = locked(dir);
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_damaged_python_environment_is_made_again_and_a_whole_one_is_kept() {
        let Some(python) = python("damaged-venv", &[]) else { return };
        let file_of_pip = || {
            let says = "import pip; print(pip.__file__)";
            PathBuf::from(self::says(Command::new(&python).args(["-c", says]), ""))
        };
        let whole = file_of_pip();
        let made = std::fs::metadata(&whole).unwrap().modified().unwrap();
        super::python("damaged-venv", &[]);
        assert_eq!(std::fs::metadata(&whole).unwrap().modified().unwrap(), made, "a whole one is kept");

        std::fs::remove_file(&whole).unwrap();
        super::python("damaged-venv", &[]);
        assert!(file_of_pip().exists(), "a file was missing");
        std::fs::write(&whole, "").unwrap();
        super::python("damaged-venv", &[]);
        assert!(!std::fs::read(&whole).unwrap().is_empty(), "a file was empty");
        std::fs::remove_file(&python).unwrap();
        super::python("damaged-venv", &[]);
        assert!(file_of_pip().exists(), "there was no Python in it");
    }
}
