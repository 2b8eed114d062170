//! The rest of this program, confined.
//!
//!     rustc $(pkg-config --libs-only-L libmini-sandbox) -l mini-sandbox confined.rs
//!
//! Before it starts threads: those of other threads do not go in with it.
mod mini_sandbox;

use mini_sandbox::*;
use std::{fs, process::exit};

fn enter() -> Result<(), String> {
    // SAFETY: no argument is a pointer, and this program has one thread.
    unsafe {
        check(mini_sandbox_setup_default())?;
        check(mini_sandbox_start())
    }
}

fn main() {
    println!("outside");
    if let Err(message) = enter() {
        eprintln!("no sandbox: {message}");
        exit(1);
    }
    if let Err(error) = fs::write("/usr/local/planted", "") {
        println!("planted: {}", error.kind());
    }
    fs::write("result", "done\n").expect("the working directory is writable");
    println!("inside: {}", unsafe { mini_sandbox_is_running() });
    exit(7);
}
