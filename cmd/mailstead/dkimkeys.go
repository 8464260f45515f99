package main

import (
	"fmt"
	"sync"

	"github.com/mailstead/mailstead/admin/directory"
	"github.com/mailstead/mailstead/mail"
	"github.com/mailstead/mailstead/smtp/dkim"
)

// keyCache keeps DKIM keys ready: taking an RSA key apart costs more than a
// signature.
type keyCache struct {
	mu   sync.Mutex
	keys map[string]dkim.Key
}

// dkimKeys returns the keys that mail of a domain is signed with.
func (n *node) dkimKeys(name mail.Domain) []dkim.Key {
	d, err := n.directory.Domain(name)
	if err != nil {
		return nil
	}
	n.keys.mu.Lock()
	defer n.keys.mu.Unlock()
	if n.keys.keys == nil {
		n.keys.keys = map[string]dkim.Key{}
	}
	var keys []dkim.Key
	for _, k := range d.Keys {
		if k.State != directory.KeySigning {
			continue
		}
		id := fmt.Sprint(name, " ", k.Selector, " ", k.Created.UnixNano())
		key, ok := n.keys.keys[id]
		if !ok {
			signer, err := k.Signer()
			if err != nil {
				n.cfg.Log.Error("DKIM key", "domain", name, "selector", k.Selector, "err", err)
				continue
			}
			key = dkim.Key{Domain: name, Selector: k.Selector, Signer: signer}
			n.keys.keys[id] = key
		}
		keys = append(keys, key)
	}
	return keys
}
