package main

import (
	"context"
	"slices"

	"github.com/digitalocean/godo"
)

func projects() {
	home := must(do.Projects.GetDefault(ctx))
	check(home.IsDefault && home.OwnerUUID != "" && home.OwnerID > 0, "default project: %v", home)
	made := must(do.Projects.Create(ctx, &godo.CreateProjectRequest{Name: "first", Purpose: "a test", Environment: "development"}))
	check(made.Purpose == "Other: a test" && made.Environment == "Development", "project: %v", made)
	updated := must(do.Projects.Update(ctx, made.ID, &godo.UpdateProjectRequest{Name: "second", Environment: "Staging"}))
	check(updated.Name == "second" && updated.Environment == "Staging" && updated.Purpose == made.Purpose, "updated: %v", updated)
	machineURN, domainURN := godo.Droplet{ID: machine}, godo.Domain{Name: domain}
	assigned := must(do.Projects.AssignResources(ctx, made.ID, machineURN, domainURN.URN()))
	same("assigned", len(assigned), 2)
	resources := func(ctx context.Context, options *godo.ListOptions) ([]godo.ProjectResource, *godo.Response, error) {
		return do.Projects.ListResources(ctx, made.ID, options)
	}
	urns := []string{}
	for _, one := range listed(resources) {
		check(one.Links.Self != "" && one.AssignedAt != "" && one.Status == "ok", "resource: %v", one)
		urns = append(urns, one.URN)
	}
	slices.Sort(urns)
	expected := []string{machineURN.URN(), domainURN.URN()}
	slices.Sort(expected)
	check(slices.Equal(urns, expected), "resources: %v", urns)
	refused(412, "cannot delete a project with resources", failed(do.Projects.Delete(ctx, made.ID)))
	must(do.Projects.AssignResources(ctx, home.ID, machineURN, domainURN))
	same("resources", len(listed(resources)), 0)
	same("projects", len(listed(do.Projects.List)), 2)
	done(do.Projects.Delete(ctx, made.ID))
	gone(failing(do.Projects.Get(ctx, made.ID)))
}

func spacesKeys() {
	grants := []*godo.Grant{{Bucket: "pictures", Permission: godo.SpacesKeyRead}}
	made := must(do.SpacesKeys.Create(ctx, &godo.SpacesKeyCreateRequest{Name: "first", Grants: grants}))
	check(made.AccessKey != "" && made.SecretKey != "" && made.CreatedAt != "", "Spaces key: %v", made.Name)
	found := must(do.SpacesKeys.Get(ctx, made.AccessKey))
	check(found.SecretKey == "" && *found.Grants[0] == *grants[0], "Spaces key: %v", found)
	grants = append(grants, &godo.Grant{Bucket: "music", Permission: godo.SpacesKeyReadWrite})
	updated := must(do.SpacesKeys.Update(ctx, made.AccessKey, &godo.SpacesKeyUpdateRequest{Name: "second", Grants: grants}))
	check(updated.Name == "second" && len(updated.Grants) == 2, "updated: %v", updated)
	same("Spaces keys", len(listed(do.SpacesKeys.List)), 1)
	refused(400, "", failing(do.SpacesKeys.Create(ctx, &godo.SpacesKeyCreateRequest{Name: ""})))
	done(do.SpacesKeys.Delete(ctx, made.AccessKey))
	gone(failing(do.SpacesKeys.Get(ctx, made.AccessKey)))
}
