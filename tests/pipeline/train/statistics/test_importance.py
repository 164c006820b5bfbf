import numpy as np

from pipeline.train.statistics.test_estimates import fitted, mixed


def test_the_mean_contribution_of_each_column(tmp_path):
    table, _ = mixed()
    table.loc[::7, "age"] = np.nan
    figures = fitted(table, tmp_path)
    weight = {each["name"]: each["coefficient"] for each in figures["statistics"]["coefficients"]}
    age = table.age.fillna(table.age.median()) * weight["age"]
    age += table.age.isna() * weight["age missing"]
    city = table.city.map({"Bern": 0, "Oslo": weight["cityOslo"], "Rome": weight["cityRome"]})
    expected = {
        "age": age, "income": table.income * weight["income"], "city": city,
        "year": table.year * weight["year"],
    }  # fmt: skip
    assert list(figures["importance"]) == sorted(expected)
    for name, contribution in expected.items():
        share = (contribution - contribution.mean()).abs().mean()
        np.testing.assert_allclose(figures["importance"][name], share, rtol=1e-4)
