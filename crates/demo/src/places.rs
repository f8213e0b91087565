//! Where the demo's visitors connect from: networks with weights, and addresses within them.
//!
//! The list is a file of `network,country,region,provider,weight` lines, the same one that the demo's GeoIP files are
//! made of, so that every address drawn here has a place. Few /24s (IPv6: /48s) of a network are used, some much more
//! than others: visitors share them as behind a provider's NAT, which is what the publisher's network rule is about.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;

use crate::random::Random;

/// Subnets in use per network, at most.
const SUBNETS: u64 = 48;

/// A network that visitors come from.
pub(crate) struct Network {
    pub(crate) net: IpNet,
    /// ISO 3166-1 alpha-2.
    pub(crate) country: String,
    /// How many visitors it has, relative to the others.
    pub(crate) weight: u32,
}

/// A line of the list that cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("line {line} of the list of networks is not `network,country,region,provider,weight`")]
pub(crate) struct NetworksError {
    /// Counted from 1.
    pub(crate) line: usize,
}

/// Reads the list. The first line may be a heading; empty lines and those that begin with `#` are skipped.
pub(crate) fn parse(csv: &str) -> Result<Vec<Network>, NetworksError> {
    let mut networks = Vec::new();
    for (index, line) in csv.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') || (index == 0 && line.starts_with("network,")) {
            continue;
        }
        networks.push(network(line).ok_or(NetworksError { line: index + 1 })?);
    }
    // Without a network nobody could be drawn.
    if networks.iter().all(|network| network.weight == 0) {
        return Err(NetworksError { line: csv.lines().count() + 1 });
    }
    Ok(networks)
}

fn network(line: &str) -> Option<Network> {
    // Organisations have commas in their names, so the weight is looked for at the end.
    let (rest, weight) = line.rsplit_once(',')?;
    let mut fields = rest.splitn(3, ',');
    let net = fields.next()?.parse().ok()?;
    let country = fields.next()?.to_owned();
    fields.next()?;
    (country.len() == 2).then_some(())?;
    Some(Network { net, country, weight: weight.trim().parse().ok()? })
}

impl Network {
    /// An address within the network.
    pub(crate) fn address(&self, random: &mut Random) -> IpAddr {
        // Squaring makes the first subnets busy and the last ones rare.
        let share = random.unit() * random.unit();
        match self.net {
            IpNet::V4(net) => {
                let free_bits = 24_u32.saturating_sub(net.prefix_len().into());
                let used = (1_u64 << free_bits).min(SUBNETS);
                let subnet = ((share * used as f64) as u32) << 8;
                // Within a network narrower than /24 only its own bits vary.
                let host = (1 + random.below(254) as u32) & u32::from(net.hostmask());
                IpAddr::V4(Ipv4Addr::from_bits(net.network().to_bits() | subnet | host))
            }
            IpNet::V6(net) => {
                let free_bits = 48_u32.saturating_sub(net.prefix_len().into()).min(32);
                let used = (1_u64 << free_bits).min(SUBNETS);
                let subnet = u128::from((share * used as f64) as u64) << 80;
                let host = u128::from_be_bytes(random.bytes()) & ((1 << 80) - 1) & net.hostmask().to_bits();
                IpAddr::V6(Ipv6Addr::from_bits(net.network().to_bits() | subnet | host))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    #[test]
    fn the_list_is_read_with_commas_in_names_and_broken_lines_are_named() {
        let networks = parse("network,country,region,provider,weight\n# note\n10.0.0.0/16,KZ,Almaty,A, B and Co,5\n")
            .expect("sound");
        assert_eq!((networks[0].weight, networks[0].country.as_str()), (5, "KZ"));
        for broken in
            ["", "10.0.0.0/16,KZ,,,x", "\n\n10.0.0/16,KZ,,,1", "10.0.0.0/16,Kazakhstan,,,1", "10.0.0.0/8,KZ,,,0"]
        {
            assert!(parse(broken).is_err(), "{broken}");
        }
        assert_eq!(parse("10.0.0.0/16,KZ,,,1\nnonsense").err().map(|error| error.line), Some(2));
    }

    #[test]
    fn addresses_lie_within_their_network_and_share_subnets() {
        let mut random = Random::new(3);
        for text in ["10.20.0.0/15", "10.9.8.0/24", "10.9.8.64/28", "10.9.8.7/32", "2001:db8::/32", "2001:db8:1::/56"] {
            let network = Network { net: text.parse().expect("sound"), country: "KZ".into(), weight: 1 };
            assert!((0..500).all(|_| network.net.contains(&network.address(&mut random))), "{text}");
        }
        let wide = Network { net: "10.20.0.0/15".parse().expect("sound"), country: "KZ".into(), weight: 1 };
        let mut shared: HashMap<IpNet, u32> = HashMap::new();
        for _ in 0..1000 {
            let subnet = IpNet::new(wide.address(&mut random), 24).expect("a v4 prefix").trunc();
            *shared.entry(subnet).or_default() += 1;
        }
        assert!(shared.len() as u64 <= SUBNETS);
        assert!(shared.values().max() > Some(&50));
    }
}
