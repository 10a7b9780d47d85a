package main

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/base64"
	"encoding/binary"
	"slices"

	"github.com/digitalocean/godo"
)

func catalogue() {
	account := must(do.Account.Get(ctx))
	check(account.DropletLimit > 0 && account.ReservedIPLimit > 0 && account.FloatingIPLimit > 0, "limits: %v", account)
	check(account.UUID != "" && account.EmailVerified && account.Team.UUID != "", "account: %v", account)
	checkEqual("status", account.Status, "active")
	found := slices.IndexFunc(listAll(do.Regions.List), func(one godo.Region) bool { return one.Slug == region && one.Available })
	check(found >= 0, "region %s is not available", region)
	sizes := listAll(do.Sizes.List)
	found = slices.IndexFunc(sizes, func(one godo.Size) bool { return one.Slug == size })
	check(found >= 0 && slices.Contains(sizes[found].Regions, region), "size %s is not in %s", size, region)
	check(sizes[found].PriceMonthly > 0 && sizes[found].Transfer > 0 && sizes[found].Description != "", "size: %v", sizes[found])
	rate := do.GetRate()
	check(rate.Limit > 0 && rate.Remaining < rate.Limit && !rate.Reset.IsZero(), "rate: %v", rate)
}

func keys() {
	public := publicKey()
	created := must(do.Keys.Create(ctx, &godo.KeyCreateRequest{Name: "first", PublicKey: public}))
	checkEqual("public key", created.PublicKey, public)
	checkEqual("by fingerprint", must(do.Keys.GetByFingerprint(ctx, created.Fingerprint)).ID, created.ID)
	checkEqual("renamed", must(do.Keys.UpdateByID(ctx, created.ID, &godo.KeyUpdateRequest{Name: "second"})).Name, "second")
	checkEqual("renamed", must(do.Keys.UpdateByFingerprint(ctx, created.Fingerprint, &godo.KeyUpdateRequest{Name: "third"})).Name, "third")
	checkEqual("by id", must(do.Keys.GetByID(ctx, created.ID)).Name, "third")
	checkError(422, "already in use", errorOf(do.Keys.Create(ctx, &godo.KeyCreateRequest{Name: "again", PublicKey: public})))
	checkEqual("keys", len(listAll(do.Keys.List)), 1)
	mustSucceed(do.Keys.DeleteByFingerprint(ctx, created.Fingerprint))
	checkNotFound(errorOf(do.Keys.GetByID(ctx, created.ID)))
	checkNotFound(errorFrom(do.Keys.DeleteByID(ctx, created.ID)))
}

// publicKey returns a new key whose private key is discarded.
func publicKey() string {
	public, _, err := ed25519.GenerateKey(rand.Reader)
	check(err == nil, "%v", err)
	var wire []byte
	for _, part := range [][]byte{[]byte("ssh-ed25519"), public} {
		wire = append(binary.BigEndian.AppendUint32(wire, uint32(len(part))), part...)
	}
	return "ssh-ed25519 " + base64.StdEncoding.EncodeToString(wire) + " godo"
}
