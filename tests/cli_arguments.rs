//! What the command line says without any broker: help, completions, exit codes.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::process::{Command, Output};

fn corelane(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_corelane"))
        .args(args)
        .env("NO_COLOR", "1")
        .output()
        .expect("start the command")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

const COMMANDS: [&[&str]; 11] = [
    &["topic", "create"],
    &["topic", "list"],
    &["topic", "describe"],
    &["topic", "alter"],
    &["topic", "delete"],
    &["produce"],
    &["consume"],
    &["group", "list"],
    &["group", "describe"],
    &["group", "reset"],
    &["group", "delete"],
];

#[test]
fn every_command_has_help_with_examples() {
    for command in COMMANDS {
        let output = corelane(&[command, &["--help"]].concat());
        assert!(output.status.success());
        let help = text(&output.stdout);
        let example = format!("corelane {}", command.join(" "));
        assert!(
            help.contains("Examples:") && help.contains(&example),
            "{command:?}:\n{help}"
        );
        assert!(help.contains("--bootstrap <HOST:PORT>"), "{command:?}");
    }
    let help = text(&corelane(&["--help"]).stdout);
    assert!(
        help.contains("Exit codes:") && help.contains("consume") && help.contains("completions"),
        "{help}"
    );
}

#[test]
fn every_shell_gets_its_completions() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let output = corelane(&["completions", shell]);
        assert!(output.status.success(), "{shell}");
        let script = text(&output.stdout);
        assert!(
            script.contains("exit-at-end") && script.contains("corelane"),
            "{shell}"
        );
    }
}

#[test]
fn wrong_arguments_have_their_own_exit_code() {
    let wrong: [&[&str]; 10] = [
        &[],
        &["tropic"],
        &["topic", "create"],
        &["topic", "create", "t", "-p", "0"],
        &["topic", "create", "t", "-c", "novalue"],
        &["consume", "t", "--from", "tomorrow"],
        &["consume", "t", "--group", "g", "--partition", "0"],
        &["produce", "t", "--compression", "rar"],
        &["produce", "t", "--keep-key"],
        &["group", "reset", "g", "--to", "end"],
    ];
    for args in wrong {
        let output = corelane(args);
        assert_eq!(output.status.code(), Some(2), "{args:?}");
        assert!(!output.stderr.is_empty() && output.stdout.is_empty(), "{args:?}");
    }
}

#[test]
fn nobody_there_is_said_at_once_with_what_to_do() {
    // A port that was free a moment ago, and that nobody listens on.
    let port = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let address = format!("127.0.0.1:{port}");
    let output = corelane(&["topic", "list", "--bootstrap", &address]);
    assert_eq!(output.status.code(), Some(1));
    let said = text(&output.stderr);
    assert!(
        said.contains(&address) && said.contains("corelane serve") && said.contains("--bootstrap"),
        "{said}"
    );
}

#[test]
fn somebody_who_is_no_broker_is_told_apart() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let web_server = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut request = [0; 4];
        stream.read_exact(&mut request).unwrap();
        stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").unwrap();
    });
    let output = corelane(&["topic", "list", "--bootstrap", &address]);
    web_server.join().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(
        text(&output.stderr).contains("may not be a Kafka broker"),
        "{}",
        text(&output.stderr)
    );
}

#[test]
fn a_broker_that_does_not_answer_is_given_up() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let output = corelane(&["topic", "list", "--bootstrap", &address, "--timeout", "300ms"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        text(&output.stderr).contains("did not answer in time"),
        "{}",
        text(&output.stderr)
    );
}
