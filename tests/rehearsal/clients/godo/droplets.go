package main

import (
	"fmt"
	"slices"

	"github.com/digitalocean/godo"
	"github.com/digitalocean/godo/util"
)

const tag = "godo"

var (
	machine  int // the droplet that most steps use
	third    int
	together []int
)

func request(name string) *godo.DropletCreateRequest {
	return &godo.DropletCreateRequest{
		Name: name, Region: region, Size: size, Image: godo.DropletCreateImage{Slug: stock}, Tags: []string{tag}, VPCUUID: vpc,
	}
}

// settled is the droplet, once nothing is pending.
func settled(id int) *godo.Droplet {
	var droplet *godo.Droplet
	until("unlocked", func() bool {
		droplet = must(do.Droplets.Get(ctx, id))
		return !droplet.Locked
	})
	return droplet
}

func droplets() {
	key := must(do.Keys.Create(ctx, &godo.KeyCreateRequest{Name: "droplets", PublicKey: publicKey()}))
	wanted := request("one")
	wanted.SSHKeys = []godo.DropletCreateSSHKey{{ID: key.ID}, {Fingerprint: key.Fingerprint}}
	wanted.UserData, wanted.Monitoring = "#cloud-config\n", true
	begun, answer, err := do.Droplets.Create(ctx, wanted)
	check(err == nil, "%v", err)
	same("a droplet's first status", begun.Status, "new")
	same("links", len(answer.Links.Actions), 1)
	same("rel", answer.Links.Actions[0].Rel, "create")
	same("of the link", must(answer.Links.Actions[0].Get(ctx, do)).ResourceID, begun.ID)
	err = util.WaitForActive(ctx, do, answer.Links.Actions[0].HREF)
	check(err == nil, "%v", err)
	machine = begun.ID
	droplet := settled(machine)
	same("status", droplet.Status, "active")
	same("name", droplet.Name, "one")
	same("region", droplet.Region.Slug, region)
	same("size", droplet.Size.Slug, size)
	same("size", droplet.SizeSlug, size)
	same("image", droplet.Image.Slug, stock)
	same("VPC", droplet.VPCUUID, vpc)
	check(slices.Contains(droplet.Features, "monitoring"), "features: %v", droplet.Features)
	public, err := droplet.PublicIPv4()
	check(err == nil && public != "", "public address: %q, %v", public, err)
	private, err := droplet.PrivateIPv4()
	check(err == nil && private != "", "private address: %q, %v", private, err)
	_, err = droplet.PublicIPv6()
	check(err == nil, "%v", err)

	multi := &godo.DropletMultiCreateRequest{
		Names: []string{"two", "three"}, Region: region, Size: size, Image: godo.DropletCreateImage{ID: droplet.Image.ID},
		Tags: []string{tag, "pair"}, VPCUUID: vpc, IPv6: true, Backups: true,
	}
	pair, answer, err := do.Droplets.CreateMultiple(ctx, multi)
	check(err == nil, "%v", err)
	same("droplets", len(pair), 2)
	same("links", len(answer.Links.Actions), 2)
	for _, one := range pair {
		together = append(together, one.ID)
		made := settled(one.ID)
		check(slices.Contains(made.Features, "ipv6") && slices.Contains(made.Features, "backups"), "features: %v", made.Features)
		address, err := made.PublicIPv6()
		check(err == nil && address != "", "IPv6: %q, %v", address, err)
		check(made.NextBackupWindow.Start.Before(made.NextBackupWindow.End.Time), "backup window: %v", made.NextBackupWindow)
	}
	done(do.Keys.DeleteByID(ctx, key.ID))
}

func paging() {
	same("droplets", len(listed(do.Droplets.List)), 3)
	same("by name", must(do.Droplets.ListByName(ctx, "two", nil))[0].ID, together[0])
	same("by tag", len(must(do.Droplets.ListByTag(ctx, "pair", nil))), 2)
	same("with GPUs", len(must(do.Droplets.ListWithGPUs(ctx, nil))), 0)
	same("actions", len(listed(do.Actions.List)), 3)
	_, answer, err := do.Droplets.List(ctx, &godo.ListOptions{Page: 2, PerPage: 1})
	check(err == nil, "%v", err)
	pages := answer.Links.Pages
	for name, link := range map[string]string{"first": pages.First, "prev": pages.Prev, "next": pages.Next, "last": pages.Last} {
		wanted := map[string]int{"first": 1, "prev": 1, "next": 3, "last": 3}[name]
		same(name, link, fmt.Sprintf("%s/v2/droplets?page=%d&per_page=1", do.BaseURL, wanted))
	}
}

func power() {
	ended(must(do.DropletActions.Shutdown(ctx, machine)))
	same("after shutdown", settled(machine).Status, "off")
	refused(422, "already powered off", failing(do.DropletActions.PowerOff(ctx, machine)))
	ended(must(do.DropletActions.PowerOn(ctx, machine)))
	same("after power on", settled(machine).Status, "active")
	ended(must(do.DropletActions.PowerCycle(ctx, machine)))
	ended(must(do.DropletActions.Reboot(ctx, machine)))
	reset := must(do.DropletActions.PasswordReset(ctx, machine))
	refused(422, "pending event", failing(do.DropletActions.Reboot(ctx, machine)))
	same("by droplet", must(do.DropletActions.Get(ctx, machine, reset.ID)).Type, "password_reset")
	ended(reset)
	ended(must(do.DropletActions.PowerOff(ctx, machine)))
	same("after power off", settled(machine).Status, "off")
}

func changes() {
	ended(must(do.DropletActions.Resize(ctx, machine, "s-1vcpu-2gb", false)))
	droplet := settled(machine)
	check(droplet.SizeSlug == "s-1vcpu-2gb" && droplet.Memory == 2048 && droplet.Disk == 25, "resized: %v", droplet)
	ended(must(do.DropletActions.Resize(ctx, machine, "s-1vcpu-2gb", true)))
	same("disk", settled(machine).Disk, 50)
	refused(422, "smaller disk", failing(do.DropletActions.Resize(ctx, machine, size, true)))
	ended(must(do.DropletActions.PowerOn(ctx, machine)))
	ended(must(do.DropletActions.Rename(ctx, machine, "renamed")))
	same("name", settled(machine).Name, "renamed")
	ended(must(do.DropletActions.EnableIPv6(ctx, machine)))
	ended(must(do.DropletActions.EnablePrivateNetworking(ctx, machine)))
	policy := &godo.DropletBackupPolicyRequest{Plan: "weekly", Weekday: "SUN", Hour: godo.PtrTo(4)}
	ended(must(do.DropletActions.EnableBackupsWithPolicy(ctx, machine, policy)))
	policy = &godo.DropletBackupPolicyRequest{Plan: "daily", Hour: godo.PtrTo(20)}
	ended(must(do.DropletActions.ChangeBackupPolicy(ctx, machine, policy)))
	same("hour of backups", settled(machine).NextBackupWindow.Start.UTC().Hour(), 20)
	ended(must(do.DropletActions.DisableBackups(ctx, machine)))
	droplet = settled(machine)
	check(slices.Contains(droplet.Features, "ipv6") && !slices.Contains(droplet.Features, "backups"), "features: %v", droplet.Features)
	ended(must(do.DropletActions.EnableBackups(ctx, machine)))
	ended(must(do.DropletActions.RebuildByImageSlug(ctx, machine, stock)))
	ended(must(do.DropletActions.RebuildByImageID(ctx, machine, droplet.Image.ID)))
	settled(machine)
	refused(422, "kernel", failing(do.DropletActions.ChangeKernel(ctx, machine, 1)))
	types := map[string]bool{}
	for _, action := range listed(ofMachine) {
		types[action.Type] = true
		same("resource", action.ResourceID, machine)
	}
	check(types["create"] && types["resize"] && types["rebuild"] && types["change_backup_policy"], "actions: %v", types)
}

func actionsByTag() {
	asked := []func() ([]godo.Action, *godo.Response, error){
		func() ([]godo.Action, *godo.Response, error) { return do.DropletActions.PowerOffByTag(ctx, "pair") },
		func() ([]godo.Action, *godo.Response, error) { return do.DropletActions.PowerOnByTag(ctx, "pair") },
		func() ([]godo.Action, *godo.Response, error) { return do.DropletActions.PowerCycleByTag(ctx, "pair") },
		func() ([]godo.Action, *godo.Response, error) { return do.DropletActions.ShutdownByTag(ctx, "pair") },
		func() ([]godo.Action, *godo.Response, error) {
			return do.DropletActions.DisableBackupsByTag(ctx, "pair")
		},
		func() ([]godo.Action, *godo.Response, error) {
			return do.DropletActions.EnableBackupsByTag(ctx, "pair")
		},
		func() ([]godo.Action, *godo.Response, error) { return do.DropletActions.EnableIPv6ByTag(ctx, "pair") },
		func() ([]godo.Action, *godo.Response, error) {
			return do.DropletActions.SnapshotByTag(ctx, "pair", "pair.1")
		},
	}
	for _, ask := range asked {
		begun := must(ask())
		same("actions", len(begun), 2)
		for _, action := range begun {
			ended(&action)
		}
	}
}
