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
	same("renamed", must(do.VPCs.Set(ctx, vpc, godo.VPCSetName("second"), godo.VPCSetDescription("of the test"))).Name, "second")
	same("updated", must(do.VPCs.Update(ctx, vpc, &godo.VPCUpdateRequest{Name: "third"})).Name, "third")
	same("range", must(do.VPCs.Get(ctx, vpc)).IPRange, "10.66.0.0/20")
	overlapping := &godo.VPCCreateRequest{Name: "overlapping", RegionSlug: region, IPRange: "10.66.8.0/24"}
	refused(422, "", failing(do.VPCs.Create(ctx, overlapping)))
	check(len(listed(do.VPCs.List)) >= 1, "no VPC is listed")
}

func members() []*godo.VPCMember {
	return listed(func(ctx context.Context, options *godo.ListOptions) ([]*godo.VPCMember, *godo.Response, error) {
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
	made := must(do.Firewalls.Create(ctx, wanted))
	var firewall *godo.Firewall
	until("applied", func() bool {
		firewall = must(do.Firewalls.Get(ctx, made.ID))
		return firewall.Status == "succeeded"
	})
	same("ports of all", firewall.OutboundRules[0].PortRange, "0")
	same("ports of ICMP", firewall.OutboundRules[1].PortRange, "0")
	check(slices.Equal(firewall.InboundRules[1].Sources.Tags, []string{tag}), "sources: %v", firewall.InboundRules[1].Sources)
	wanted.Name, wanted.Tags = "second", nil
	firewall = must(do.Firewalls.Update(ctx, made.ID, wanted))
	check(firewall.Name == "second" && len(firewall.Tags) == 0, "updated: %v", firewall)
	done(do.Firewalls.AddTags(ctx, made.ID, "pair"))
	done(do.Firewalls.AddDroplets(ctx, made.ID, together...))
	rules := &godo.FirewallRulesRequest{InboundRules: wanted.InboundRules[:1]}
	done(do.Firewalls.RemoveRules(ctx, made.ID, rules))
	same("inbound rules", len(must(do.Firewalls.Get(ctx, made.ID)).InboundRules), 1)
	done(do.Firewalls.AddRules(ctx, made.ID, rules))
	same("inbound rules", len(must(do.Firewalls.Get(ctx, made.ID)).InboundRules), 2)
	same("of a droplet", must(do.Firewalls.ListByDroplet(ctx, together[0], nil))[0].ID, made.ID)
	done(do.Firewalls.RemoveDroplets(ctx, made.ID, together...))
	done(do.Firewalls.RemoveTags(ctx, made.ID, "pair"))
	same("of a droplet", len(must(do.Firewalls.ListByDroplet(ctx, together[0], nil))), 0)
	same("firewalls", len(listed(do.Firewalls.List)), 1)
	done(do.Firewalls.Delete(ctx, made.ID))
	gone(failing(do.Firewalls.Get(ctx, made.ID)))
}

func loadBalancers() {
	http := godo.ForwardingRule{EntryProtocol: "http", EntryPort: 80, TargetProtocol: "http", TargetPort: 8080}
	https := godo.ForwardingRule{EntryProtocol: "https", EntryPort: 443, TargetProtocol: "http", TargetPort: 8080, CertificateID: certificate}
	wanted := &godo.LoadBalancerRequest{
		Name: "first", Region: region, VPCUUID: vpc, DropletIDs: []int{machine}, ForwardingRules: []godo.ForwardingRule{http, https},
	}
	made := must(do.LoadBalancers.Create(ctx, wanted))
	same("a balancer's first status", made.Status, "new")
	var balancer *godo.LoadBalancer
	until("active", func() bool {
		balancer = must(do.LoadBalancers.Get(ctx, made.ID))
		return balancer.Status == "active"
	})
	same("region", balancer.Region.Slug, region)
	check(balancer.IP != "" && balancer.SizeUnit == 1 && balancer.VPCUUID == vpc && balancer.ProjectID != "", "balancer: %v", balancer)
	check(balancer.HealthCheck.HealthyThreshold == 3 && balancer.HealthCheck.UnhealthyThreshold == 5, "check: %v", balancer.HealthCheck)
	same("sticky sessions", balancer.StickySessions.Type, "none")
	refused(403, "being used by one or more load balancers", failed(do.Certificates.Delete(ctx, certificate)))

	asked := balancer.AsRequest()
	asked.Name, asked.ForwardingRules = "second", []godo.ForwardingRule{http}
	asked.RedirectHttpToHttps = false
	same("updated", must(do.LoadBalancers.Update(ctx, made.ID, asked)).Name, "second")
	done(do.LoadBalancers.AddDroplets(ctx, made.ID, together...))
	done(do.LoadBalancers.RemoveDroplets(ctx, made.ID, machine))
	tcp := godo.ForwardingRule{EntryProtocol: "tcp", EntryPort: 81, TargetProtocol: "tcp", TargetPort: 8081}
	done(do.LoadBalancers.AddForwardingRules(ctx, made.ID, tcp))
	done(do.LoadBalancers.RemoveForwardingRules(ctx, made.ID, http))
	balancer = must(do.LoadBalancers.Get(ctx, made.ID))
	check(slices.Equal(balancer.DropletIDs, together), "droplets: %v", balancer.DropletIDs)
	check(slices.Equal(balancer.ForwardingRules, []godo.ForwardingRule{tcp}), "rules: %v", balancer.ForwardingRules)
	same("members of the VPC", len(members()), 4)
	same("balancers", len(listed(do.LoadBalancers.List)), 1)
	refused(404, "leaves out", failed(do.LoadBalancers.PurgeCache(ctx, made.ID)))
	done(do.LoadBalancers.Delete(ctx, made.ID))
	gone(failing(do.LoadBalancers.Get(ctx, made.ID)))
}

func reservedIPs() {
	free := must(do.ReservedIPs.Create(ctx, &godo.ReservedIPCreateRequest{Region: region}))
	check(free.Droplet == nil && free.Region.Slug == region && free.ProjectID != "", "reserved IP: %v", free)
	assigned := ended(must(do.ReservedIPActions.Assign(ctx, free.IP, machine)))
	same("kind", assigned.Type, "assign_ip")
	same("by address", must(do.ReservedIPActions.Get(ctx, free.IP, assigned.ID)).ID, assigned.ID)
	held := must(do.ReservedIPs.Get(ctx, free.IP))
	same("droplet", held.Droplet.ID, machine)
	same("region of the droplet", held.Droplet.Region.Slug, region)
	droplet := settled(machine)
	own, err := droplet.PublicIPv4()
	check(err == nil && own != free.IP, "the droplet's own address: %s, %v", own, err)
	worn := slices.ContainsFunc(droplet.Networks.V4, func(one godo.NetworkV4) bool { return one.IPAddress == free.IP })
	check(worn, "the droplet does not show %s: %v", free.IP, droplet.Networks.V4)
	ended(must(do.ReservedIPActions.Unassign(ctx, free.IP)))
	check(must(do.ReservedIPs.Get(ctx, free.IP)).Droplet == nil, "it is still the droplet's")
	of := func(ctx context.Context, options *godo.ListOptions) ([]godo.Action, *godo.Response, error) {
		return do.ReservedIPActions.List(ctx, free.IP, options)
	}
	check(len(listed(of)) >= 2, "actions of %s: %v", free.IP, listed(of))

	born := must(do.ReservedIPs.Create(ctx, &godo.ReservedIPCreateRequest{DropletID: together[0]}))
	until("unlocked", func() bool { return !must(do.ReservedIPs.Get(ctx, born.IP)).Locked })
	same("droplet", must(do.ReservedIPs.Get(ctx, born.IP)).Droplet.ID, together[0])
	same("reserved IPs", len(listed(do.ReservedIPs.List)), 2)
	for _, one := range must(do.ReservedIPs.List(ctx, nil)) {
		done(do.ReservedIPs.Delete(ctx, one.IP))
		gone(failing(do.ReservedIPs.Get(ctx, one.IP)))
	}
	refused(422, "", failing(do.ReservedIPs.Create(ctx, &godo.ReservedIPCreateRequest{})))
}
