//! What the agent of a simulated machine does with an order, and what happens to processes there.

use ostler::model::ids::{EffectId, NodeId, RankKey};
use ostler::model::spec::code::CODE_DIR;
use ostler::model::state::{Proof, RankState, StopWhy};
use ostler::model::units::Millis;
use ostler::transport::{Order, Report};

use super::{Happening, World};
use crate::host::{Folder, Host, Next};

impl World {
    pub(super) fn reach_node(&mut self, node: NodeId, session: u64, order: Order) {
        let Some(wire) = self.wires.get(&node).filter(|wire| wire.session == session && wire.up) else { return };
        let name = wire.host.clone();
        if let (Order::Start { key, .. } | Order::Stop { key, .. } | Order::Recall { key, .. }, Some(host)) =
            (&order, self.hosts.get_mut(&name))
        {
            host.owner.entry(*key).or_insert(node);
        }
        match order {
            Order::Start { effect, key, boot, limit, launch, after, .. } => {
                self.check_code(&name, node, key, &launch.env);
                let next = Next { effect, key, boot: boot.0, limit, command: launch.command };
                self.node_takes(node, session, &name, after, next);
            }
            Order::Recall { effect, key } => {
                let Some(host) = self.hosts.get_mut(&name) else { return };
                match host.spool.get(&key) {
                    None => {
                        host.spool.insert(key, Folder::Fenced);
                        self.reach("what was sent ahead was recalled");
                        self.report(node, session, Report::Gone { key, effect: None, proof: Proof::Fenced });
                    }
                    Some(_) => self.reach("a recall came too late"),
                }
                self.report(node, session, Report::Done { effect });
            }
            Order::Refuse { effect, key, code, why } => {
                let report = self.node_refuses(&name, effect, key, code, why);
                self.report(node, session, report);
            }
            Order::Stop { effect, key, why, .. } => self.node_stops(node, session, &name, effect, key, why),
            Order::Ack { effect, key } => {
                if let Some(host) = self.hosts.get_mut(&name) {
                    host.acked.insert(key);
                }
                let on_disk = self.disk.row(key.job).is_none_or(|job| {
                    job.attempt > key.attempt
                        || job.last.ranks.get(&key.rank).is_none_or(|run| matches!(run.state, RankState::Gone(_)))
                });
                assert!(
                    on_disk,
                    "I10: the end of {key} was acknowledged before it was on the disk: {:#?}",
                    self.disk.row(key.job)
                );
                self.report(node, session, Report::Done { effect });
            }
            Order::AnswerDaemon { effect, .. } => self.report(node, session, Report::Done { effect }),
        }
    }

    /// A start comes: it is done, or waits for its turn.
    fn node_takes(&mut self, node: NodeId, session: u64, name: &str, after: Option<RankKey>, next: Next) {
        let known = |host: &Host| {
            let waits = host.lines.values().flatten().any(|other| other.key == next.key);
            (host.spool.contains_key(&next.key), waits)
        };
        let Some(host) = self.hosts.get_mut(name) else { return };
        let next = match (after, known(host)) {
            (Some(after), (false, false)) => {
                let Some(next) = host.line_up(after, next) else { return self.reach("a job was sent ahead") };
                next
            }
            (_, (false, true)) => return,
            (_, _) => next,
        };
        let report = self.node_starts(name, next.effect, next.key, &next.boot, next.limit, &next.command);
        self.report(node, session, report);
    }

    /// A process is over: the next of its line is started, unless it was fenced.
    pub fn next_of_line(&mut self, name: &str, over: RankKey) {
        let Some(mut line) = self.hosts.get_mut(name).and_then(|host| host.lines.remove(&over)) else { return };
        while let Some(next) = line.pop_front() {
            if self.hosts.get(name).is_some_and(|host| host.spool.contains_key(&next.key)) {
                continue;
            }
            let report = self.node_starts(name, next.effect, next.key, &next.boot, next.limit, &next.command);
            let started = matches!(report, Report::Started { .. });
            if let Some(node) = self.hosts[name].owner.get(&next.key).copied()
                && let Some(session) = self.wires.get(&node).filter(|wire| wire.up).map(|wire| wire.session)
            {
                self.report(node, session, report);
            }
            if started {
                self.reach("what was sent ahead was started");
                if let Some(host) = self.hosts.get_mut(name).filter(|_| !line.is_empty()) {
                    host.lines.insert(next.key, line);
                }
                return;
            }
        }
    }

    /// A process is never started where its code is not.
    fn check_code(&mut self, name: &str, node: NodeId, key: RankKey, env: &[(String, String)]) {
        let Some((_, path)) = env.iter().find(|(name, _)| name == CODE_DIR) else { return };
        let digest = path.rsplit('/').next().unwrap_or_default();
        let there = self
            .hosts
            .get(name)
            .is_some_and(|host| host.code.iter().any(|(of, kept)| *of == node && kept.as_str() == digest));
        assert!(there, "{key} was started on {node} without its code");
        self.reach("a process was started with its code");
    }

    fn node_refuses(&mut self, name: &str, effect: EffectId, key: RankKey, code: String, why: String) -> Report {
        let Some(host) = self.hosts.get_mut(name) else { unreachable!("an order reached a machine that is not there") };
        match host.spool.get(&key).cloned() {
            Some(Folder::Alive { boot, .. }) if boot == host.boot => Report::Started { effect, key },
            Some(folder) => Report::Gone { key, effect: Some(effect), proof: host.proof(&folder) },
            None => {
                host.spool.insert(key, Folder::Fenced);
                self.reach("a start was refused for its code");
                Report::Gone { key, effect: Some(effect), proof: Proof::Refused { why, code: Some(code) } }
            }
        }
    }

    pub(super) fn node_starts(
        &mut self,
        name: &str,
        effect: EffectId,
        key: RankKey,
        boot: &str,
        limit: Millis,
        command: &str,
    ) -> Report {
        let refuse = self.rng.chance(self.faults.start_refused);
        let now = self.now;
        let Some(host) = self.hosts.get_mut(name) else { unreachable!("an order reached a machine that is not there") };
        if let Some(folder) = host.spool.get(&key).cloned() {
            self.reach("a start was repeated");
            return match folder {
                Folder::Alive { boot, .. } if boot == self.hosts[name].boot => Report::Started { effect, key },
                folder => Report::Gone { key, effect: Some(effect), proof: self.hosts[name].proof(&folder) },
            };
        }
        if host.boot_id().0 != boot {
            host.spool.insert(key, Folder::Fenced);
            let proof = Proof::Rebooted { boot: host.boot_id() };
            self.reach("a start came after a reboot");
            return Report::Gone { key, effect: Some(effect), proof };
        }
        if refuse {
            host.spool.insert(key, Folder::Fenced);
            return Report::Gone { key, effect: Some(effect), proof: Proof::Refused { why: "no room".into(), code: None } };
        }
        let (duration, code) = crate::people::what_runs(key, command);
        let boot = host.boot;
        let ends_at = now + duration;
        let limit_at = now + limit;
        host.spool.insert(key, Folder::Alive { boot, ends_at, code, limit_at });
        let end = duration.0.min(limit.0);
        self.check_start(name, key, boot);
        self.at(end, Happening::Ends { host: name.to_owned(), key });
        Report::Started { effect, key }
    }

    pub(super) fn node_stops(
        &mut self,
        node: NodeId,
        session: u64,
        name: &str,
        effect: EffectId,
        key: RankKey,
        why: StopWhy,
    ) {
        let Some(host) = self.hosts.get_mut(name) else { return };
        match host.spool.get(&key).cloned() {
            None => {
                host.spool.insert(key, Folder::Fenced);
                self.reach("a start was fenced");
                self.report(node, session, Report::Gone { key, effect: Some(effect), proof: Proof::Fenced });
            }
            Some(Folder::Alive { boot, .. }) if boot == host.boot => {
                let delay = self.rng.range(1, 5_000);
                let host = name.to_owned();
                self.at(delay, Happening::Killed { node, session, host, key, effect, why });
            }
            Some(folder) => {
                let proof = host.proof(&folder);
                self.report(node, session, Report::Gone { key, effect: Some(effect), proof });
            }
        }
    }

    pub(super) fn process_killed(
        &mut self,
        node: NodeId,
        session: u64,
        name: &str,
        key: RankKey,
        effect: EffectId,
        why: StopWhy,
    ) {
        let Some(host) = self.hosts.get_mut(name).filter(|h| h.on) else { return };
        let Some(folder) = host.spool.get(&key).cloned() else { return };
        if let Folder::Alive { boot, .. } = folder
            && boot == host.boot
        {
            host.spool.insert(key, Folder::Exited { code: 143, why: Some(why) });
            self.exits.insert(key, 143);
        }
        let host = &self.hosts[name];
        let proof = host.proof(&host.spool[&key]);
        self.report(node, session, Report::Gone { key, effect: Some(effect), proof });
        self.next_of_line(name, key);
    }

    pub(super) fn process_ends(&mut self, name: &str, key: RankKey) {
        let now = self.now;
        let Some(host) = self.hosts.get_mut(name).filter(|h| h.on) else { return };
        let Some(Folder::Alive { boot, ends_at, code, limit_at }) = host.spool.get(&key).cloned() else { return };
        if boot != host.boot {
            return;
        }
        let over = limit_at < ends_at && now >= limit_at;
        let (code, why) = if over { (143, Some(StopWhy::Limit)) } else { (code, None) };
        host.spool.insert(key, Folder::Exited { code, why });
        self.exits.insert(key, code);
        self.tell_gone(name, key);
        self.next_of_line(name, key);
    }

    /// The agent of a machine says that a process of it is over, if it is linked.
    pub fn tell_gone(&mut self, name: &str, key: RankKey) {
        let Some(folder) = self.hosts.get(name).and_then(|host| host.spool.get(&key)).cloned() else { return };
        let proof = self.hosts[name].proof(&folder);
        let Some(node) = self.hosts[name].owner.get(&key).copied() else { return };
        if let Some(session) = self.wires.get(&node).filter(|wire| wire.up).map(|wire| wire.session) {
            self.report(node, session, Report::Gone { key, effect: None, proof });
        }
    }
}
