// Its own file: the page's content security policy allows no script inside the page.
"use strict";

const ui = SwaggerUIBundle({
  url: "/openapi.json",
  dom_id: "#swagger-ui",
  deepLinking: true,
  displayRequestDuration: true,
  tryItOutEnabled: true,
  defaultModelsExpandDepth: -1, // the schemas are shown where they are used
  validatorUrl: null, // nothing leaves this machine
});

// A step in the header opens its section, wherever the page is by then.
for (const link of document.querySelectorAll("header ol a")) {
  link.addEventListener("click", (event) => {
    event.preventDefault();
    const tag = link.hash.slice(2);
    ui.layoutActions.show(["operations-tag", tag], true);
    document.getElementById(`operations-tag-${tag}`)?.scrollIntoView({ behavior: "smooth" });
  });
}
