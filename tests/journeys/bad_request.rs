//! What strangers write into the control socket: each is told, none is obeyed, the others go on.

use serde_json::Value;
use std::{io::Write, thread};

use crate::{
    client::pictures,
    drawings,
    world::{ENDLESS, World, training},
};

fn endless(more: &str) -> World {
    World::with(&training(640, ENDLESS, more))
}

#[test]
fn garbage_is_answered_with_an_error_and_the_same_client_may_ask_on() {
    let world = endless("");
    let mut runtime = world.runtime(&[]);
    let mut client = world.client();
    let cases: [(&[u8], i64, &str); 7] = [
        (b"garbage\n", -32700, "no JSON"),
        (b"\xff\xfe\x00\n", -32700, "no JSON"),
        (b"{\"jsonrpc\":\"2.0\"\n", -32700, "no JSON"),
        (b"[]\n", -32600, "batches are not supported"),
        (
            b"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"statu\"}\n",
            -32601,
            "did you mean `status`?",
        ),
        (b"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"kill\"}\n", -32602, "target"),
        (b"{\"id\":1,\"method\":\"ping\"}\n", -32600, "jsonrpc"),
    ];
    for (line, code, message) in cases {
        client.write(line).expect("the runtime reads");
        let error = &client.answer().expect("an answer")["error"];
        assert_eq!(error["code"], code, "{error}");
        assert!(error["message"].as_str().is_some_and(|text| text.contains(message)), "{error}");
    }
    assert_eq!(client.call("ping", Value::Null)["result"]["pid"], runtime.process());
    runtime.must_live();
}

#[test]
fn half_a_line_and_no_more_harms_nobody() {
    let world = endless("");
    let mut runtime = world.runtime(&[]);
    for half in [&b"{\"jsonrpc\":\"2.0\",\"id\":1,\"meth"[..], b"{", b"\0"] {
        let mut client = world.client();
        client.write(half).expect("the runtime reads");
        client.hang_up();
        assert!(client.is_closed(), "half a line has no answer");
    }
    // One that neither ends its line nor leaves, while another one is served.
    let mut silent = world.client();
    silent.write(b"{\"jsonrpc\"").expect("the runtime reads");
    assert_eq!(world.client().call("ping", Value::Null)["result"]["pid"], runtime.process());
    runtime.must_live();
}

#[test]
fn a_line_beyond_the_limit_is_refused_and_costs_its_client_alone() {
    let world = endless("[limits]\nimage_bytes = 2000\n[control]\nline_bytes = 4096\n");
    let mut runtime = world.runtime(&[]);
    let mut other = world.client();
    for (bytes, has_end) in [(4097, true), (5000, false), (100_000, true)] {
        let mut client = world.client();
        let mut line = vec![b' '; bytes];
        if has_end {
            line.push(b'\n');
        }
        // The runtime may have left before all is written.
        let _ = client.write(&line);
        client.hang_up();
        refused_as_too_long(client.answer(), "4096");
        assert!(client.is_closed(), "{bytes}: refused and left");
        assert_eq!(other.call("ping", Value::Null)["result"]["line_bytes"], 4096);
    }
    let mut client = world.client();
    let mut longest = br#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#.to_vec();
    longest.resize(4096, b' ');
    longest.push(b'\n');
    client.write(&longest).expect("the runtime reads");
    assert!(client.answer().expect("an answer")["result"]["pid"].is_u64(), "4096 bytes are right");
    runtime.must_live();
}

fn refused_as_too_long(answer: Option<Value>, limit: &str) {
    let error = &answer.expect("an answer")["error"];
    assert_eq!(error["code"], -32001, "{error}");
    let message = error["message"].as_str().expect("a text");
    assert!(message.contains("control.line_bytes") && message.contains(limit), "{message}");
}

#[test]
fn a_line_of_100_megabytes_is_refused_while_others_are_served() {
    let world = endless("");
    let mut runtime = world.runtime(&[]);
    let mut client = world.client();
    let mut writer = client.writer();
    let flood = thread::spawn(move || {
        let chunk = vec![b'7'; 1_000_000];
        // It ends early when the runtime has heard enough.
        (0..100).take_while(|_| writer.write_all(&chunk).is_ok()).count()
    });
    let mut other = world.client();
    other.call("ping", Value::Null);
    refused_as_too_long(client.answer(), "33554432");
    assert!(flood.join().expect("the writer ends") >= 33, "the line was that long");
    client.hang_up();
    assert!(client.is_closed());
    other.call("ping", Value::Null);
    runtime.must_live();
}

#[test]
fn a_picture_beyond_the_limit_has_its_error_and_the_others_are_answered() {
    let world = endless("[limits]\nimage_bytes = 4000\n");
    let mut runtime = world.runtime(&[]);
    runtime.until_a_model();
    let mut client = world.client();
    let good = pictures(&["good".into()], &drawings::one(true));
    let big = pictures(&["big".into()], &[7; 4001]);
    let mut both = good.clone();
    both["images"].as_array_mut().expect("a list").push(big["images"][0].clone());
    let answer = client.call("predict", both);
    let predictions = &answer["result"]["predictions"];
    assert!(predictions[0]["class"].is_u64(), "{answer}");
    let error = predictions[1]["error"].as_str().expect("an error");
    assert!(error.contains("4001 bytes") && error.contains("limits.image_bytes"), "{error}");
    runtime.must_live();
}

#[test]
fn more_clients_than_there_may_be_are_told_busy_and_the_first_go_on() {
    let world = endless("[control]\nclients = 2\n");
    let mut runtime = world.runtime(&[]);
    let mut first = world.client();
    let mut second = crate::world::until("room for a second client", || {
        let mut client = world.client();
        client.send("ping", Value::Null);
        client.answer().filter(|answer| answer["result"].is_object()).map(|_| client)
    });
    first.call("ping", Value::Null);
    let busy = world.client().answer().expect("an answer");
    assert_eq!(busy["error"]["code"], -32002, "{busy}");
    world.ask(&["status"]).with(1).says(&["busy: 2 clients"]);
    first.call("ping", Value::Null);
    second.call("ping", Value::Null);
    runtime.must_live();
}
