//! Arguments → front end; exit code. Nothing else.

use ostler::cli;
use ostler::cli::failure::Failure;
use ostler::cli::session::Session;

fn main() -> std::process::ExitCode {
    // Whoever asks for encryption later finds it; a second provider cannot be there before the first line.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let code = cli::run(&cli::Screen { open, themes });
    std::process::ExitCode::from(u8::try_from(code & 0xFF).unwrap_or(1))
}

fn open(_: &Session) -> Result<i32, Failure> {
    Ok(0)
}

fn themes(_: &Session) -> Vec<String> {
    Vec::new()
}
