//! DeepSpeed: on every node the part of its launcher that its `deepspeed` program would start there over ssh
//! (`deepspeed.launcher.launch`), so no node needs a key for another.

use crate::frameworks::cx::node_count;
use crate::frameworks::python::module_line;
use crate::frameworks::{Cx, Framework, MainProcess, Mains};
use crate::model::fault::Fault;
use crate::model::spec::JobSpec;
use crate::model::spec::toolkit::Launched;

pub(super) struct DeepSpeed<'a>(pub(super) &'a Launched);

impl Framework for DeepSpeed<'_> {
    fn mains(&self, spec: &JobSpec) -> Mains {
        Mains::on((0..node_count(spec)).collect())
    }

    fn slots(&self, cx: &Cx<'_>) -> Vec<u32> {
        cx.nodes.iter().map(|node| cx.per_node(self.0.processes_per_node, node)).collect()
    }

    fn main(&self, cx: &Cx<'_>, index: u32) -> Result<MainProcess, Fault> {
        // The launcher tells nodes apart by what stands before the colon; two of a cluster may have one address.
        let slots: Vec<String> = (0..).zip(self.slots(cx)).map(|(node, slots)| devices(node, slots)).collect();
        let world = base64_url(format!("{{{}}}", slots.join(", ")).as_bytes());
        let more = self.0.launcher_args.as_deref().unwrap_or_default();
        let (master, port) = (cx.master(), cx.port());
        let ours = format!("--world_info={world} --node_rank={index} --master_addr={master} --master_port={port} {more}");
        let env = vec![("NODE_RANK".to_owned(), index.to_string())];
        Ok(MainProcess { command: module_line("deepspeed.launcher.launch", &ours, &self.0.program), env })
    }
}

fn devices(node: u32, slots: u32) -> String {
    let numbers: Vec<String> = (0..slots).map(|slot| slot.to_string()).collect();
    format!("\"node{node}\": [{}]", numbers.join(", "))
}

/// Base 64 with the alphabet for addresses (RFC 4648, §5), as the launcher reads it.
fn base64_url(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for part in bytes.chunks(3) {
        let bits = (0..3).fold(0u32, |bits, at| bits << 8 | u32::from(part.get(at).copied().unwrap_or(0)));
        for at in 0..4 {
            let six = (bits >> (18 - 6 * at)) & 63;
            text.push(if at <= part.len() { char::from(ALPHABET[six as usize]) } else { '=' });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base_64() {
        for (plain, text) in [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob?>", "Zm9vYj8-")] {
            assert_eq!(base64_url(plain.as_bytes()), text);
        }
    }
}
