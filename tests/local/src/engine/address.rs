//! An address on loopback for each container.

use std::{
    collections::HashSet,
    hash::{BuildHasher as _, RandomState},
    net::{Ipv4Addr, TcpListener},
    sync::Mutex,
};

use anyhow::bail;

use super::locked;

/// The first and the number of the addresses that containers get: 127.64.0.0/10. Nothing else is usually found there.
const FIRST: u32 = u32::from_be_bytes([127, 64, 0, 0]);
const COUNT: u32 = 1 << 22;
/// How many addresses are tried before giving up: another local cloud may use some.
const TRIES: u32 = 64;

/// Hands out addresses of 127.64.0.0/10, each to one container at a time.
///
/// Linux answers on all of 127.0.0.0/8 without any set-up. Addresses are handed out one after the other from a random
/// place, so that one just given back is not used again for a long time, and two local clouds do not meet.
#[derive(Debug)]
pub(super) struct Addresses(Mutex<State>);

#[derive(Debug)]
struct State {
    next: u32,
    taken: HashSet<Ipv4Addr>,
}

impl Addresses {
    pub(super) fn new() -> Self {
        let start = RandomState::new().hash_one(std::process::id());
        let start = u32::try_from(start % u64::from(COUNT)).unwrap_or(0);
        Self::starting_at(start)
    }

    fn starting_at(next: u32) -> Self {
        Self(Mutex::new(State { next, taken: HashSet::new() }))
    }

    /// An address that no other container has and on which all of these ports are free.
    pub(super) fn take(&self, ports: &[u16]) -> anyhow::Result<Ipv4Addr> {
        let mut state = locked(&self.0);
        for _ in 0..TRIES {
            let address = Ipv4Addr::from_bits(FIRST + state.next);
            state.next = (state.next + 1) % COUNT;
            let ends_well = !matches!(address.octets()[3], 0 | 255);
            if ends_well && !state.taken.contains(&address) && are_free(address, ports) {
                state.taken.insert(address);
                return Ok(address);
            }
        }
        bail!(
            "no address on loopback has port {} free: something listens on it on every address (0.0.0.0)",
            ports.iter().map(ToString::to_string).collect::<Vec<_>>().join(" and ")
        )
    }

    pub(super) fn give_back(&self, address: Ipv4Addr) {
        locked(&self.0).taken.remove(&address);
    }
}

fn are_free(address: Ipv4Addr, ports: &[u16]) -> bool {
    ports.iter().all(|port| TcpListener::bind((address, *port)).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_containers_have_the_same_address() {
        let addresses = Addresses::new();

        let taken: HashSet<_> = (0..600).map(|_| addresses.take(&[]).expect("an address")).collect();

        assert_eq!(taken.len(), 600);
        assert!(taken.iter().all(Ipv4Addr::is_loopback));
    }

    #[test]
    fn an_address_that_was_given_back_is_not_the_next_one() {
        let addresses = Addresses::new();
        let first = addresses.take(&[]).expect("an address");

        addresses.give_back(first);

        assert_ne!(addresses.take(&[]).expect("an address"), first);
    }

    #[test]
    fn an_address_is_not_given_twice_when_the_range_starts_over() {
        let addresses = Addresses::starting_at(COUNT - 2);
        let before = addresses.take(&[]).expect("an address");
        let after = addresses.take(&[]).expect("an address");
        locked(&addresses.0).next = COUNT - 2;

        let again = addresses.take(&[]).expect("an address");

        assert!(again != before && again != after, "{again}");
    }

    #[test]
    fn an_address_whose_port_is_taken_is_passed_over() {
        let addresses = Addresses::starting_at(10);
        let holder = TcpListener::bind((Ipv4Addr::from_bits(FIRST + 10), 0)).expect("a port");
        let port = holder.local_addr().expect("its address").port();

        let address = addresses.take(&[port]).expect("an address");

        assert_eq!(address, Ipv4Addr::from_bits(FIRST + 11));
    }

    #[test]
    fn a_port_that_is_taken_everywhere_is_named() {
        let holder = TcpListener::bind((Ipv4Addr::UNSPECIFIED, 0)).expect("a port");
        let port = holder.local_addr().expect("its address").port();

        let failure = Addresses::new().take(&[port]).expect_err("it is taken");

        assert!(failure.to_string().contains(&port.to_string()));
    }
}
