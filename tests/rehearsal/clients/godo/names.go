package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"slices"
	"time"

	"github.com/digitalocean/godo"
)

const domain = "godo.example"

var certificate string // the id of a verified certificate

func domains() {
	created := must(do.Domains.Create(ctx, &godo.DomainCreateRequest{Name: domain, IPAddress: "192.0.2.1"}))
	checkEqual("name", created.Name, domain)
	found := must(do.Domains.Get(ctx, domain))
	check(found.TTL == 1800 && found.ZoneFile != "", "domain: %v", found)
	checkEqual("domains", len(listAll(do.Domains.List)), 1)
	checkError(422, "already exists", errorOf(do.Domains.Create(ctx, &godo.DomainCreateRequest{Name: domain})))
}

func records() {
	ofDomain := func(ctx context.Context, options *godo.ListOptions) ([]godo.DomainRecord, *godo.Response, error) {
		return do.Domains.Records(ctx, domain, options)
	}
	born := len(listAll(ofDomain))
	wanted := []godo.DomainRecordEditRequest{
		{Type: "A", Name: "www", Data: "192.0.2.2", TTL: 300},
		{Type: "AAAA", Name: "www", Data: "2001:db8::2"},
		{Type: "CNAME", Name: "alias", Data: "www." + domain + "."},
		{Type: "MX", Name: "@", Data: "mail." + domain + ".", Priority: 10},
		{Type: "TXT", Name: "@", Data: "a text; with \"quotes\""},
		{Type: "SRV", Name: "_sip._tcp", Data: "www." + domain + ".", Priority: 1, Weight: 2, Port: 5060},
		{Type: "CAA", Name: "@", Data: "letsencrypt.org.", Tag: "issue"},
		{Type: "NS", Name: "deep", Data: "ns1.digitalocean.com."},
	}
	ids := map[string]int{}
	for _, one := range wanted {
		created := must(do.Domains.CreateRecord(ctx, domain, &one))
		checkEqual("type", created.Type, one.Type)
		checkEqual("read", must(do.Domains.Record(ctx, domain, created.ID)).Data, created.Data)
		ids[one.Type] = created.ID
	}
	checkEqual("records", len(listAll(ofDomain)), born+len(wanted))
	checkEqual("alias", must(do.Domains.Record(ctx, domain, ids["CNAME"])).Data, "www."+domain)
	edited := must(do.Domains.EditRecord(ctx, domain, ids["A"], &godo.DomainRecordEditRequest{Type: "A", Name: "www", Data: "192.0.2.3", TTL: 60}))
	check(edited.Data == "192.0.2.3" && edited.TTL == 60, "edited: %v", edited)
	checkEqual("by type", len(must(do.Domains.RecordsByType(ctx, domain, "MX", nil))), 1)
	checkEqual("by name", len(must(do.Domains.RecordsByName(ctx, domain, "www."+domain, nil))), 2)
	checkEqual("by both", must(do.Domains.RecordsByTypeAndName(ctx, domain, "AAAA", "www."+domain, nil))[0].ID, ids["AAAA"])
	wrong := &godo.DomainRecordEditRequest{Type: "A", Name: "bad", Data: "not an address"}
	checkError(422, "", errorOf(do.Domains.CreateRecord(ctx, domain, wrong)))
	mustSucceed(do.Domains.DeleteRecord(ctx, domain, ids["TXT"]))
	checkNotFound(errorOf(do.Domains.Record(ctx, domain, ids["TXT"])))
}

func certificates() {
	key, leaf := selfSigned("own." + domain)
	custom := must(do.Certificates.Create(ctx, &godo.CertificateRequest{Name: "custom", Type: "custom", PrivateKey: key, LeafCertificate: leaf}))
	checkEqual("state", custom.State, "verified")
	check(slices.Equal(custom.DNSNames, []string{"own." + domain}) && custom.SHA1Fingerprint != "", "certificate: %v", custom)
	_, err := time.Parse(time.RFC3339, custom.NotAfter)
	check(err == nil, "%v", err)
	issued := must(do.Certificates.Create(ctx, &godo.CertificateRequest{Name: "issued", Type: "lets_encrypt", DNSNames: []string{domain}}))
	checkEqual("a certificate's first state", issued.State, "pending")
	waitUntil("verified", func() bool { return must(do.Certificates.Get(ctx, issued.ID)).State == "verified" })
	certificate = issued.ID
	checkEqual("by name", must(do.Certificates.ListByName(ctx, "custom", nil))[0].ID, custom.ID)
	checkEqual("certificates", len(listAll(do.Certificates.List)), 2)
	checkError(422, "unique", errorOf(do.Certificates.Create(ctx, &godo.CertificateRequest{Name: "issued", Type: "lets_encrypt", DNSNames: []string{domain}})))
	mustSucceed(do.Certificates.Delete(ctx, custom.ID))
	checkNotFound(errorOf(do.Certificates.Get(ctx, custom.ID)))
}

func selfSigned(name string) (string, string) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	check(err == nil, "%v", err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name},
		NotBefore: time.Now().Add(-time.Minute), NotAfter: time.Now().Add(time.Hour), ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	signed, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	check(err == nil, "%v", err)
	private, err := x509.MarshalPKCS8PrivateKey(key)
	check(err == nil, "%v", err)
	armour := func(kind string, content []byte) string {
		return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: content}))
	}
	return armour("PRIVATE KEY", private), armour("CERTIFICATE", signed)
}
