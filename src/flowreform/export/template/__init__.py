"""Templates: results written into a workbook that the user already has, the rest of it left as it was."""

from flowreform.export.template.fill import FillPlan, Template, fill, plan, read_template

__all__ = ["FillPlan", "Template", "fill", "plan", "read_template"]
