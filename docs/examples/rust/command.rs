//! A command in a sandbox of its own, while this program stays where it is.
//!
//!     rustc $(pkg-config --libs-only-L libmini-sandbox) -l mini-sandbox command.rs
mod mini_sandbox;

use mini_sandbox::*;
use std::ffi::CString;
use std::os::unix::process::ExitStatusExt;
use std::process::{exit, ExitStatus};
use std::ptr::{null, null_mut};

/// Runs the words in default mode, with the standard streams of this program.
fn run(words: &[&str]) -> Result<ExitStatus, String> {
    let words: Vec<CString> = words.iter().map(|word| CString::new(*word).unwrap()).collect();
    let mut argv: Vec<_> = words.iter().map(|word| word.as_ptr()).collect();
    argv.push(null());
    let command = Command {
        size: std::mem::size_of::<Command>(),
        argv: argv.as_ptr(),
        envp: null(),
        working_directory: null(),
        stdio: [0, 1, 2],
    };
    let mut process = null_mut();
    let mut status = 0;
    // SAFETY: what `command` points to outlives the spawn, which reads it; sandbox and process are
    // valid until they are freed, and NULL may be.
    unsafe {
        let sandbox = mini_sandbox_new();
        let outcome = check(mini_sandbox_object_setup_default(sandbox))
            .and_then(|()| check(mini_sandbox_spawn(sandbox, &command, &mut process)))
            .and_then(|()| check(mini_sandbox_wait(process, -1, &mut status)));
        mini_sandbox_process_free(process);
        mini_sandbox_free(sandbox);
        outcome.map(|()| ExitStatus::from_raw(status))
    }
}

fn main() {
    match run(&["sh", "-c", "touch /usr/local/planted 2>/dev/null || echo refused; exit 5"]) {
        Ok(status) => println!("exit code {}", status.code().unwrap_or(-1)),
        Err(message) => {
            eprintln!("no sandbox: {message}");
            exit(1);
        }
    }
}
