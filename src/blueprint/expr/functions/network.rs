//! Functions of network prefixes, IPv4 and IPv6 alike.

use std::net::IpAddr;
use std::net::Ipv4Addr;
use std::net::Ipv6Addr;

use crate::blueprint::expr::functions::Arguments;
use crate::blueprint::expr::functions::Body;
use crate::blueprint::expr::functions::Function;
use crate::blueprint::expr::functions::Problem;
use crate::blueprint::expr::functions::deep;
use crate::model::value::Value;

/// The rows.
pub const FUNCTIONS: &[Function] = &[
    Function {
        name: "cidrhost",
        parameters: &[deep("prefix"), deep("host")],
        sentence: "The address of this number in a network; below 0 it counts from the end.",
        example: "cidrhost(\"10.12.112.0/20\", 16)",
        result: "\"10.12.112.16\"",
        body: Body::Strict(host),
    },
    Function {
        name: "cidrnetmask",
        parameters: &[deep("prefix")],
        sentence: "The mask of a network as an address.",
        example: "cidrnetmask(\"172.16.0.0/12\")",
        result: "\"255.240.0.0\"",
        body: Body::Strict(netmask),
    },
    Function {
        name: "cidrsubnet",
        parameters: &[deep("prefix"), deep("newbits"), deep("number")],
        sentence: "The subnet of this number, longer by some bits.",
        example: "cidrsubnet(\"172.16.0.0/12\", 4, 2)",
        result: "\"172.18.0.0/16\"",
        body: Body::Strict(subnet),
    },
    Function {
        name: "cidrsubnets",
        parameters: &[deep("prefix"), deep("newbits").some()],
        sentence: "Subnets one behind the other, each longer by its number of bits.",
        example: "cidrsubnets(\"10.1.0.0/16\", 4, 4, 8)",
        result: "[\"10.1.0.0/20\", \"10.1.16.0/20\", \"10.1.32.0/24\"]",
        body: Body::Strict(subnets),
    },
];

/// A network: the bits of its first address, and how many of them are the prefix.
#[derive(Clone, Copy)]
struct Network {
    first: u128,
    length: u32,
    width: u32,
}

impl Network {
    fn parse(text: &str) -> Option<Self> {
        let (address, length) = text.split_once('/')?;
        let plain = !length.is_empty() && length.bytes().all(|byte| byte.is_ascii_digit());
        let length: u32 = if plain { length.parse().ok()? } else { return None };
        let (bits, width) = match address.parse().ok()? {
            IpAddr::V4(address) => (u128::from(u32::from(address)), 32),
            IpAddr::V6(address) => (u128::from(address), 128),
        };
        (length <= width).then(|| {
            let network = Self { first: 0, length, width };
            Self { first: bits & !network.host_mask(), ..network }
        })
    }

    /// Bits of a host.
    fn host_bits(self) -> u32 {
        self.width - self.length
    }

    fn host_mask(self) -> u128 {
        ones(self.host_bits())
    }

    fn address(self, bits: u128) -> String {
        if self.width == 32 {
            return Ipv4Addr::from(u32::try_from(bits).unwrap_or(u32::MAX)).to_string();
        }
        Ipv6Addr::from(bits).to_string()
    }

    fn text(self) -> String {
        format!("{}/{}", self.address(self.first), self.length)
    }
}

fn ones(bits: u32) -> u128 {
    1_u128.checked_shl(bits).map_or(u128::MAX, |beyond| beyond - 1)
}

fn network(call: &mut Arguments<'_>) -> Result<Network, Problem> {
    Network::parse(&call.text(0)?).ok_or_else(|| {
        Problem::Argument(0, "is not a network such as 10.0.0.0/16 or fd00::/48".to_owned())
    })
}

fn host(call: &mut Arguments<'_>) -> Result<Value, Problem> {
    let network = network(call)?;
    let number = call.integer(1)?;
    let wide = u128::from(number.unsigned_abs());
    let mask = network.host_mask();
    let offset = if number < 0 {
        mask.checked_add(1)
            .map_or_else(|| Some(u128::MAX - wide + 1), |size| size.checked_sub(wide))
    } else {
        Some(wide)
    };
    match offset.filter(|offset| *offset <= mask) {
        Some(offset) => Ok(Value::string(network.address(network.first | offset))),
        None => Err(Problem::Argument(1, "does not fit into the network".to_owned())),
    }
}

fn netmask(call: &mut Arguments<'_>) -> Result<Value, Problem> {
    let network = network(call)?;
    let mask = ones(network.width) & !network.host_mask();
    Ok(Value::string(network.address(mask)))
}

/// A subnet longer by some bits, without a number yet.
fn longer(network: Network, bits: i64, index: usize) -> Result<Network, Problem> {
    let bits = u32::try_from(bits).ok().filter(|bits| *bits <= network.host_bits());
    match bits {
        Some(bits) => Ok(Network { length: network.length + bits, ..network }),
        None => {
            let room = network.host_bits();
            Err(Problem::Argument(index, format!("needs a number from 0 to {room}")))
        }
    }
}

fn subnet(call: &mut Arguments<'_>) -> Result<Value, Problem> {
    let network = network(call)?;
    let subnet = longer(network, call.integer(1)?, 1)?;
    let number = u128::try_from(call.integer(2)?).ok();
    let number = number.filter(|number| *number <= ones(subnet.length - network.length));
    let Some(number) = number else {
        return Err(Problem::Argument(2, "does not fit into the new bits".to_owned()));
    };
    let offset = number.checked_shl(subnet.host_bits()).unwrap_or(0);
    Ok(Value::string(Network { first: network.first | offset, ..subnet }.text()))
}

fn subnets(call: &mut Arguments<'_>) -> Result<Value, Problem> {
    let network = network(call)?;
    let last = network.first | network.host_mask();
    let mut next = Some(network.first);
    let mut made = Vec::new();
    for index in 1..call.len() {
        let subnet = longer(network, call.integer(index)?, index)?;
        let mask = subnet.host_mask();
        // The next place where a network of this length may begin.
        let first = next.and_then(|next| Some(next.checked_add(mask)? & !mask));
        let end = first.and_then(|first| first.checked_add(mask)).filter(|end| *end <= last);
        let (Some(first), Some(end)) = (first, end) else {
            return Err(Problem::Argument(index, "does not fit behind the others".to_owned()));
        };
        made.push(Value::string(Network { first, ..subnet }.text()));
        next = end.checked_add(1);
    }
    Ok(Value::list(made))
}

#[cfg(test)]
mod tests {
    use crate::blueprint::expr::tests::fails;
    use crate::blueprint::expr::tests::yields;

    #[test]
    fn both_families() {
        yields("cidrhost(\"fd00:fd12:3456:7890::/56\", 34)", "\"fd00:fd12:3456:7800::22\"");
        yields("cidrhost(\"10.0.0.0/8\", -2)", "\"10.255.255.254\"");
        yields("cidrhost(\"::/0\", -1)", "\"ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff\"");
        yields("cidrnetmask(\"::/0\")", "\"::\"");
        yields("cidrnetmask(\"10.0.0.0/32\")", "\"255.255.255.255\"");
        yields(
            "cidrsubnet(\"fd00:fd12:3456:7890::/56\", 16, 162)",
            "\"fd00:fd12:3456:7800:a200::/72\"",
        );
        yields("cidrsubnet(\"::/0\", 0, 0)", "\"::/0\"");
        yields("cidrsubnet(\"0.0.0.0/0\", 32, 4294967295)", "\"255.255.255.255/32\"");
        yields("cidrsubnets(\"fd00::/48\", 16, 4)", "[\"fd00::/64\", \"fd00:0:0:1000::/52\"]");
        yields("cidrsubnets(\"0.0.0.0/0\", 1, 1)", "[\"0.0.0.0/1\", \"128.0.0.0/1\"]");
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        fails("cidrhost(\"10.0.0.0/30\", 4)", "E004", "does not fit");
        fails("cidrhost(\"10.0.0.0/30\", -5)", "E004", "does not fit");
        fails("cidrsubnet(\"10.0.0.0/30\", 3, 0)", "E004", "from 0 to 2");
        fails("cidrsubnet(\"10.0.0.0/24\", 1, 2)", "E004", "does not fit");
        fails("cidrsubnets(\"10.0.0.0/24\", 1, 1, 1)", "E004", "does not fit");
        for wrong in ["10.0.0.0", "10.0.0.0/33", "10.0.0/8", "x/8", "10.0.0.0/+8", "::1/129"] {
            fails(&format!("cidrnetmask(\"{wrong}\")"), "E004", "is not a network");
        }
    }
}
