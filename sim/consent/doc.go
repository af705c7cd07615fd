// Package consent decides whether attempts may be made on an origin that is not
// on this machine: never without its owner's word for exactly that address.
//
// The pipeline:
//
//  1. [Lookup.Resolve] turns an origin's URL into one [Target]: address, port
//     and the name that is asked for in TLS and HTTP. It is resolved once; nobody
//     resolves it again.
//  2. [Lookup.Ask] looks for a word of the owner: on the command line
//     ([Spoken]), in DNS, or at a path of the site that its CDN serves.
//  3. [Consent.Network] reaches that address and no other, so many times, so
//     often and for so long.
//
// Invariants:
//
//   - An address on loopback is this machine's and needs no consent.
//   - Link-local addresses (a cloud's metadata service among them), those of
//     nobody and of everybody, and ranges that CDNs publish as theirs are refused
//     whatever anybody says: an origin behind such an address is shared.
//   - A scenario, an environment or a configuration file cannot consent: they
//     come along with a pull request.
//   - Asking sends a DNS query and one GET without credentials, to the site
//     itself; redirects are not followed.
package consent
