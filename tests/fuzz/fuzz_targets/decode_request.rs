//! A frame as a server meets it: header, then the request the header announces. What can be read can be written,
//! and comes back the same.
#![no_main]

use bytes::Bytes;
use corelane::wire::api::ApiKey;
use corelane::wire::codec::{Message, Reader};
use corelane::wire::fetch_view::FetchView;
use corelane::wire::header::RequestHeaderView;
use corelane::wire::produce_view::ProduceView;
use libfuzzer_sys::fuzz_target;

fn check<M: Message>(r: &mut Reader<'_>, version: i16) {
    if let Ok(message) = M::decode(r, version) {
        let bytes = message.to_bytes(version).expect("what was read can be written");
        let again = M::from_bytes(&bytes, version).expect("what was written can be read");
        // Not the structs: a float may be NaN.
        assert_eq!(again.to_bytes(version).as_ref(), Ok(&bytes));
    }
}

macro_rules! decode {
    (
        apis { $($key:literal $name:ident $module:ident $request:ident $response:ident;)* }
        data { $($ignored:tt)* }
    ) => {
        fn decode(api: ApiKey, r: &mut Reader<'_>, version: i16) {
            match api {
                $(ApiKey::$name => check::<corelane::wire::messages::$request>(r, version),)*
            }
        }
    };
}

corelane::for_each_message!(decode);

fuzz_target!(|data: &[u8]| {
    let frame = Bytes::copy_from_slice(data);
    let mut r = Reader::new(&frame);
    let Ok(header) = RequestHeaderView::read(&mut r) else {
        return;
    };
    let Some(api) = header.known_api() else { return };
    let version = header.api_version;
    match api {
        ApiKey::Produce => {
            if let Ok(view) = ProduceView::read(&mut r.clone(), version) {
                assert_eq!(view.partitions().count(), view.partition_count);
            }
        }
        ApiKey::Fetch => {
            if let Ok(view) = FetchView::read(&mut r.clone(), version) {
                assert_eq!(view.partitions().count(), view.partition_count);
                view.forgotten().for_each(drop);
            }
        }
        _ => {}
    }
    decode(api, &mut r, version);
});
