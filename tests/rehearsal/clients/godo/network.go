package main

import (
	"context"
	"slices"

	"github.com/digitalocean/godo"
)

var vpc string

func network() {
	created := must(do.VPCs.Create(ctx, &godo.VPCCreateRequest{Name: "first", RegionSlug: region, IPRange: "10.66.0.0/20"}))
	vpc = created.ID
	check(!created.CreatedAt.IsZero() && !created.Default && created.URN == "do:vpc:"+vpc, "VPC: %v", created)
	checkEqual("renamed", must(do.VPCs.Set(ctx, vpc, godo.VPCSetName("second"), godo.VPCSetDescription("of the test"))).Name, "second")
	checkEqual("updated", must(do.VPCs.Update(ctx, vpc, &godo.VPCUpdateRequest{Name: "third"})).Name, "third")
	checkEqual("range", must(do.VPCs.Get(ctx, vpc)).IPRange, "10.66.0.0/20")
	overlapping := &godo.VPCCreateRequest{Name: "overlapping", RegionSlug: region, IPRange: "10.66.8.0/24"}
	checkError(422, "", errorOf(do.VPCs.Create(ctx, overlapping)))
	check(len(listAll(do.VPCs.List)) >= 1, "no VPC is listed")
}

func members() []*godo.VPCMember {
	return listAll(func(ctx context.Context, options *godo.ListOptions) ([]*godo.VPCMember, *godo.Response, error) {
		return do.VPCs.ListMembers(ctx, vpc, &godo.VPCListMembersRequest{}, options)
	})
}

func firewalls() {
	everyone := []string{"0.0.0.0/0", "::/0"}
	wanted := &godo.FirewallRequest{
		Name: "first", DropletIDs: []int{machine}, Tags: []string{"pair"},
		InboundRules: []godo.InboundRule{
			{Protocol: "tcp", PortRange: "22", Sources: &godo.Sources{Addresses: everyone}},
			{Protocol: "tcp", PortRange: "8000-9000", Sources: &godo.Sources{Tags: []string{tag}, DropletIDs: []int{machine}}},
		},
		OutboundRules: []godo.OutboundRule{
			{Protocol: "udp", PortRange: "all", Destinations: &godo.Destinations{Addresses: everyone}},
			{Protocol: "icmp", Destinations: &godo.Destinations{Addresses: everyone}},
		},
	}
	created := must(do.Firewalls.Create(ctx, wanted))
	var firewall *godo.Firewall
	waitUntil("applied", func() bool {
		firewall = must(do.Firewalls.Get(ctx, created.ID))
		return firewall.Status == "succeeded"
	})
	checkEqual("ports of all", firewall.OutboundRules[0].PortRange, "0")
	checkEqual("ports of ICMP", firewall.OutboundRules[1].PortRange, "0")
	check(slices.Equal(firewall.InboundRules[1].Sources.Tags, []string{tag}), "sources: %v", firewall.InboundRules[1].Sources)
	wanted.Name, wanted.Tags = "second", nil
	firewall = must(do.Firewalls.Update(ctx, created.ID, wanted))
	check(firewall.Name == "second" && len(firewall.Tags) == 0, "updated: %v", firewall)
	mustSucceed(do.Firewalls.AddTags(ctx, created.ID, "pair"))
	mustSucceed(do.Firewalls.AddDroplets(ctx, created.ID, together...))
	rules := &godo.FirewallRulesRequest{InboundRules: wanted.InboundRules[:1]}
	mustSucceed(do.Firewalls.RemoveRules(ctx, created.ID, rules))
	checkEqual("inbound rules", len(must(do.Firewalls.Get(ctx, created.ID)).InboundRules), 1)
	mustSucceed(do.Firewalls.AddRules(ctx, created.ID, rules))
	checkEqual("inbound rules", len(must(do.Firewalls.Get(ctx, created.ID)).InboundRules), 2)
	checkEqual("of a droplet", must(do.Firewalls.ListByDroplet(ctx, together[0], nil))[0].ID, created.ID)
	mustSucceed(do.Firewalls.RemoveDroplets(ctx, created.ID, together...))
	mustSucceed(do.Firewalls.RemoveTags(ctx, created.ID, "pair"))
	checkEqual("of a droplet", len(must(do.Firewalls.ListByDroplet(ctx, together[0], nil))), 0)
	checkEqual("firewalls", len(listAll(do.Firewalls.List)), 1)
	mustSucceed(do.Firewalls.Delete(ctx, created.ID))
	checkNotFound(errorOf(do.Firewalls.Get(ctx, created.ID)))
}

func loadBalancers() {
	http := godo.ForwardingRule{EntryProtocol: "http", EntryPort: 80, TargetProtocol: "http", TargetPort: 8080}
	https := godo.ForwardingRule{EntryProtocol: "https", EntryPort: 443, TargetProtocol: "http", TargetPort: 8080, CertificateID: certificate}
	wanted := &godo.LoadBalancerRequest{
		Name: "first", Region: region, VPCUUID: vpc, DropletIDs: []int{machine}, ForwardingRules: []godo.ForwardingRule{http, https},
	}
	created := must(do.LoadBalancers.Create(ctx, wanted))
	checkEqual("a balancer's first status", created.Status, "new")
	var balancer *godo.LoadBalancer
	waitUntil("active", func() bool {
		balancer = must(do.LoadBalancers.Get(ctx, created.ID))
		return balancer.Status == "active"
	})
	checkEqual("region", balancer.Region.Slug, region)
	check(balancer.IP != "" && balancer.SizeUnit == 1 && balancer.VPCUUID == vpc && balancer.ProjectID != "", "balancer: %v", balancer)
	check(balancer.HealthCheck.HealthyThreshold == 3 && balancer.HealthCheck.UnhealthyThreshold == 5, "check: %v", balancer.HealthCheck)
	checkEqual("sticky sessions", balancer.StickySessions.Type, "none")
	checkError(403, "being used by one or more load balancers", errorFrom(do.Certificates.Delete(ctx, certificate)))

	asked := balancer.AsRequest()
	asked.Name, asked.ForwardingRules = "second", []godo.ForwardingRule{http}
	asked.RedirectHttpToHttps = false
	checkEqual("updated", must(do.LoadBalancers.Update(ctx, created.ID, asked)).Name, "second")
	mustSucceed(do.LoadBalancers.AddDroplets(ctx, created.ID, together...))
	mustSucceed(do.LoadBalancers.RemoveDroplets(ctx, created.ID, machine))
	tcp := godo.ForwardingRule{EntryProtocol: "tcp", EntryPort: 81, TargetProtocol: "tcp", TargetPort: 8081}
	mustSucceed(do.LoadBalancers.AddForwardingRules(ctx, created.ID, tcp))
	mustSucceed(do.LoadBalancers.RemoveForwardingRules(ctx, created.ID, http))
	balancer = must(do.LoadBalancers.Get(ctx, created.ID))
	check(slices.Equal(balancer.DropletIDs, together), "droplets: %v", balancer.DropletIDs)
	check(slices.Equal(balancer.ForwardingRules, []godo.ForwardingRule{tcp}), "rules: %v", balancer.ForwardingRules)
	checkEqual("members of the VPC", len(members()), 4)
	checkEqual("balancers", len(listAll(do.LoadBalancers.List)), 1)
	checkError(404, "does not support", errorFrom(do.LoadBalancers.PurgeCache(ctx, created.ID)))
	mustSucceed(do.LoadBalancers.Delete(ctx, created.ID))
	checkNotFound(errorOf(do.LoadBalancers.Get(ctx, created.ID)))
}

func reservedIPs() {
	free := must(do.ReservedIPs.Create(ctx, &godo.ReservedIPCreateRequest{Region: region}))
	check(free.Droplet == nil && free.Region.Slug == region && free.ProjectID != "", "reserved IP: %v", free)
	assigned := waitForAction(must(do.ReservedIPActions.Assign(ctx, free.IP, machine)))
	checkEqual("kind", assigned.Type, "assign_ip")
	checkEqual("by address", must(do.ReservedIPActions.Get(ctx, free.IP, assigned.ID)).ID, assigned.ID)
	held := must(do.ReservedIPs.Get(ctx, free.IP))
	checkEqual("droplet", held.Droplet.ID, machine)
	checkEqual("region of the droplet", held.Droplet.Region.Slug, region)
	droplet := waitUntilUnlocked(machine)
	own, err := droplet.PublicIPv4()
	check(err == nil && own != free.IP, "the droplet's own address: %s, %v", own, err)
	worn := slices.ContainsFunc(droplet.Networks.V4, func(one godo.NetworkV4) bool { return one.IPAddress == free.IP })
	check(worn, "the droplet does not show %s: %v", free.IP, droplet.Networks.V4)
	waitForAction(must(do.ReservedIPActions.Unassign(ctx, free.IP)))
	check(must(do.ReservedIPs.Get(ctx, free.IP)).Droplet == nil, "it is still the droplet's")
	of := func(ctx context.Context, options *godo.ListOptions) ([]godo.Action, *godo.Response, error) {
		return do.ReservedIPActions.List(ctx, free.IP, options)
	}
	check(len(listAll(of)) >= 2, "actions of %s: %v", free.IP, listAll(of))

	born := must(do.ReservedIPs.Create(ctx, &godo.ReservedIPCreateRequest{DropletID: together[0]}))
	waitUntil("unlocked", func() bool { return !must(do.ReservedIPs.Get(ctx, born.IP)).Locked })
	checkEqual("droplet", must(do.ReservedIPs.Get(ctx, born.IP)).Droplet.ID, together[0])
	checkEqual("reserved IPs", len(listAll(do.ReservedIPs.List)), 2)
	for _, one := range must(do.ReservedIPs.List(ctx, nil)) {
		mustSucceed(do.ReservedIPs.Delete(ctx, one.IP))
		checkNotFound(errorOf(do.ReservedIPs.Get(ctx, one.IP)))
	}
	checkError(422, "", errorOf(do.ReservedIPs.Create(ctx, &godo.ReservedIPCreateRequest{})))
}
