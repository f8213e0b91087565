import { Component, inject, provideZonelessChangeDetection } from "@angular/core";
import { bootstrapApplication } from "@angular/platform-browser";
import { provideRouter, Router, RouterLink, RouterOutlet } from "@angular/router";
import { FILTERS, LINKS } from "../routes.mjs";

@Component({ selector: "shop-page", template: '<p id="details">Details</p>' })
class Page {}

@Component({
  selector: "shop-root",
  imports: [RouterLink, RouterOutlet],
  template: `
    @for (link of links; track link[0]) {
      <a [id]="link[0]" [routerLink]="router.parseUrl(link[1])">{{ link[0] }}</a>
    }
    @for (filter of filters; track filter) {
      <button [id]="'filter' + $index" (click)="filterBy(filter)">{{ filter }}</button>
    }
    <a id="anchor" [routerLink]="[]" fragment="details">details</a>
    <a id="out" href="https://elsewhere.test/">out</a>
    <router-outlet />
  `,
})
class Shop {
  links = Object.entries(LINKS);
  filters = FILTERS;
  router = inject(Router);

  filterBy(filter: string) {
    this.router.navigateByUrl(`/catalog${filter}`, { replaceUrl: true });
  }
}

bootstrapApplication(Shop, {
  providers: [
    provideZonelessChangeDetection(),
    provideRouter([
      { path: "old", redirectTo: "about" },
      ...["", "catalog", "about", "item/:id"].map((path) => ({
        path,
        component: Page,
        pathMatch: "full" as const,
      })),
    ]),
  ],
}).then(() => {
  document.documentElement.dataset.ready = "";
});
