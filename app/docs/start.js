// Its own file: the page's content security policy allows no script inside the page.
"use strict";

SwaggerUIBundle({
  url: "/openapi.json",
  dom_id: "#swagger-ui",
  deepLinking: true,
  displayRequestDuration: true,
  tryItOutEnabled: true,
  defaultModelsExpandDepth: -1, // the schemas are shown where they are used
  validatorUrl: null, // nothing leaves this machine
});

// A step in the header leads to its section, which is only there once the document is loaded.
for (const link of document.querySelectorAll("header ol a")) {
  link.addEventListener("click", (event) => {
    event.preventDefault();
    const section = link.hash.replace("#/", "operations-tag-");
    document.getElementById(section)?.scrollIntoView({ behavior: "smooth" });
  });
}
